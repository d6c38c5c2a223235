/*
 * Routing: which link takes a message.
 */
#include "engine/decision.h"

#include <string.h>

static bool takes_currency(const struct link_view *v, uint16_t currency)
{
    for (size_t i = 0; i < v->n_currencies; i++)
        if (v->currencies[i] == currency)
            return true;
    return v->n_currencies == 0;
}

static bool takes_merchant(const struct link_view *v, int64_t merchant_id)
{
    for (size_t i = 0; i < v->n_merchants; i++)
        if (v->merchants[i] == merchant_id)
            return true;
    return v->n_merchants == 0;
}

static bool takes_brand(const struct link_view *v, uint8_t brand)
{
    return v->brands == 0 || (v->brands >> brand & 1) != 0;
}

int route_pick(
    const struct acquirer_port *port, uint8_t brand, uint16_t currency, int64_t merchant_id)
{
    int result = ROUTE_NONE;
    for (size_t i = 0; i < port->n_links; i++) {
        const struct link_view *v = port->views[i];
        if (!takes_brand(v, brand) || !takes_currency(v, currency) ||
            !takes_merchant(v, merchant_id))
            continue;
        if (v->up && v->in_flight < v->max_in_flight)
            return (int)i;
        if (v->up)
            result = ROUTE_FULL;
        else if (result == ROUTE_NONE)
            result = ROUTE_DOWN;
    }
    return result;
}

int route_again(const struct acquirer_port *port, const char *name)
{
    const struct link_view *own = NULL;
    for (size_t i = 0; i < port->n_links && own == NULL; i++) {
        if (strcmp(port->views[i]->name, name) == 0) {
            own = port->views[i];
            if (own->up)
                return (int)i;
        }
    }
    if (own == NULL)
        return ROUTE_NONE;
    for (size_t i = 0; i < port->n_links; i++)
        if (port->views[i]->up && strcmp(port->views[i]->acquirer_id, own->acquirer_id) == 0)
            return (int)i;
    return ROUTE_DOWN;
}

uint8_t route_advice(const struct acquirer_port *port, const char *name)
{
    int link = route_again(port, name);
    if (link >= 0)
        return (uint8_t)link;
    for (size_t i = 0; i < port->n_links; i++)
        if (strcmp(port->views[i]->name, name) == 0)
            return (uint8_t)i;
    return 0;
}

uint8_t stan_owner(const struct acquirer_port *port, uint8_t link)
{
    uint8_t owner = 0;
    while (strcmp(port->views[owner]->acquirer_id, port->views[link]->acquirer_id) != 0)
        owner++;
    return owner;
}
