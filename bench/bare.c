/*
 * A yardstick: the HTTP server alone. It reads the same request and gives an answer of the same size at once.
 *
 *   bare [THREADS]
 *
 * Prints the line that turnpike prints when it is ready; ends with its standard input.
 */
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char answer[] =
    "{\"api_version\":1,\"merchant_account\":\"demo_merchant\",\"sessionid\":"
    "\"5524fa52-75d8-4c7a-84ec-039d3097ab6f\",\"transaction_unique_id\":\"bench000000000000001\","
    "\"token\":\"5524fa52-75d8-4c7a-84ec-039d3097ab6f\",\"reference\":\"SLFF00000006CAAC0F1B\","
    "\"timestamp\":1700000000,\"authcode\":\"A1B2C3\",\"status\":\"success\",\"code\":0,"
    "\"message\":\"Transaction processed successfully\"}";

/* Called first with the header, then with parts of the body, then with none: that is when to answer. */
static enum MHD_Result handle(void *context, struct MHD_Connection *c, const char *url,
    const char *method, const char *version, const char *part, size_t *size, void **state)
{
    static int seen;
    (void)context;
    (void)url;
    (void)method;
    (void)version;
    (void)part;
    if (*state == NULL) {
        *state = &seen;
        return MHD_YES;
    }
    if (*size > 0) {
        *size = 0;
        return MHD_YES;
    }
    struct MHD_Response *r = MHD_create_response_from_buffer(
        strlen(answer), (void *)(unsigned long)answer, MHD_RESPMEM_PERSISTENT);
    if (r == NULL)
        return MHD_NO;
    enum MHD_Result queued = MHD_add_response_header(r, "Content-Type", "application/json");
    if (queued == MHD_YES)
        queued = MHD_queue_response(c, MHD_HTTP_OK, r);
    MHD_destroy_response(r);
    return queued;
}

int main(int argc, char **argv)
{
    unsigned threads = argc > 1 ? (unsigned)strtoul(argv[1], NULL, 10) : 2;
    struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, handle,
        NULL, MHD_OPTION_THREAD_POOL_SIZE, threads, MHD_OPTION_CONNECTION_LIMIT, 4096u,
        MHD_OPTION_END);
    if (d == NULL) {
        fprintf(stderr, "bare: cannot listen\n");
        return 1;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT);
    if (info == NULL)
        return 1;
    printf("ready http://127.0.0.1:%u admin http://127.0.0.1:%u\n", (unsigned)info->port,
        (unsigned)info->port);
    (void)fflush(stdout);
    char byte;
    while (read(0, &byte, 1) > 0)
        continue;
    MHD_stop_daemon(d);
    return 0;
}
