/*
 * Where connections come in: the listening socket, the limits on connections, and the clock on slow
 * clients.
 *
 * One thread accepts and hands each socket on, in turn to the epoll threads. libmicrohttpd could
 * accept by itself, but then each of its threads has its own share of the connection limit and
 * takes an uneven part of the load, and its way to stop accepting while requests run races with its
 * own threads (version 0.9.75 aborts when two of them take the socket out of epoll at once).
 *
 * libmicrohttpd times only silence. A client that sends a byte now and then would hold its
 * connection for ever, so each peer notes since when it has been the client's turn, and the door
 * cuts off who takes too long:
 *
 *   since_ms:  > 0 the client's turn since then ──request complete──► 0 the server's turn
 *                │                             ◄──response sent────
 *                └──too long──► PEER_CUT: the socket is shut down, and its words count no more
 */
#ifndef TURNPIKE_HTTP_DOOR_H
#define TURNPIKE_HTTP_DOOR_H

#include "http/http.h"

#include <stdatomic.h>
#include <sys/socket.h>

struct peer {
    int fd;
    bool open;    /* counted */
    bool adopted; /* an HTTP thread has it and will tell when it closes it */
    unsigned char ip[16];
    char ip_text[HTTP_IP_SIZE];
    _Atomic int64_t since_ms;
};

struct door_config {
    const char *listen;
    unsigned connections, per_ip, idle_seconds;
    /* Takes the socket, or closes it and returns false. Called on the door's thread. */
    bool (*enter)(void *context, int fd, const struct sockaddr *address, socklen_t size);
    void *context;
};

struct door;

/* Listens, and accepts nothing before door_start. NULL with a sentence in why. */
struct door *door_open(const struct door_config *config, char *why, size_t why_size);
bool door_start(struct door *d);
unsigned door_port(const struct door *d);

/* Closes the port; when it returns, nobody can connect any more. */
void door_quiesce(struct door *d);
/* Ends the thread. Peers may still be closed after it. */
void door_stop(struct door *d);
void door_free(struct door *d);

/* HTTP threads: they have begun with that socket, and are about to close it. */
struct peer *door_adopt(struct door *d, int fd);
void door_leave(struct door *d, struct peer *p);

/* Whose turn it is. False when the peer was cut off: then nothing it said may be acted upon. */
bool peer_clients_turn(struct peer *p);
bool peer_servers_turn(struct peer *p);

#endif
