#include "kit.h"

#include "http/http.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>

/* A server and one connection to it; kit's host is not used, only its messages and their parts. */
struct place {
    struct kit kit;
    struct host_server *server;
    int fd;
    char in[4 * ISO_MAX_FRAME];
    size_t n;
    struct iso_message answer;
    char frame[ISO_MAX_FRAME];
};

static int dial(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET,
        .sin_port = htons((uint16_t)port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof to), 0);
    struct timeval limit = { .tv_sec = 5 };
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit), 0);
    return fd;
}

static void start(struct place *p, const char *journal, const char *control)
{
    struct host_server_config config = {
        .host = { .journal_path = journal }, .listen = "127.0.0.1:0", .control = control
    };
    char why[256] = "";
    p->server = host_server_start(&config, why, sizeof why);
    if (p->server == NULL)
        fail_msg("%s", why);
    assert_true(host_server_port(p->server) > 0);
    p->fd = dial(host_server_port(p->server));
    p->n = 0;
}

static void stop(struct place *p)
{
    assert_int_equal(close(p->fd), 0);
    host_server_stop(p->server);
}

static void send_bytes(int fd, struct str bytes)
{
    while (bytes.n > 0) {
        ssize_t n = send(fd, bytes.p, bytes.n, MSG_NOSIGNAL);
        assert_true(n > 0);
        bytes = str_skip(bytes, (size_t)n);
    }
}

static void add_message(struct buf *out, struct iso_message *m)
{
    static const struct iso_frame_rule rule = { 0 };
    char packed[ISO_MAX_FRAME];
    size_t n;
    assert_int_equal(iso_pack(m, ISO_PROFILE_A, packed, sizeof packed, &n), ISO_OK);
    iso_frame_add(&rule, out, packed, n);
    assert_false(out->full);
}

/* Waits for one answer; its DE 39, or "" when the connection was closed. */
static const char *receive(struct place *p)
{
    static const struct iso_frame_rule rule = { 0 };
    static char code[3];
    for (;;) {
        struct str frame;
        size_t used;
        struct str in = { p->in, p->n };
        if (iso_frame_next(&rule, in, &frame, &used) == ISO_FRAME_MESSAGE) {
            memcpy(p->frame, frame.p, frame.n);
            assert_int_equal(iso_unpack(&p->answer, ISO_PROFILE_A, p->frame, frame.n), ISO_OK);
            p->n -= used;
            memmove(p->in, p->in + used, p->n);
            assert_true(str_copy(code, sizeof code, iso_get(&p->answer, 39)));
            return code;
        }
        ssize_t n = recv(p->fd, p->in + p->n, sizeof p->in - p->n, 0);
        if (n <= 0)
            return n == 0 ? "" : "time-out";
        p->n += (size_t)n;
    }
}

static const char *exchange(struct place *p, struct iso_message *m)
{
    struct buf out;
    buf_init(&out, 2 * ISO_MAX_FRAME);
    add_message(&out, m);
    send_bytes(p->fd, buf_view(&out));
    buf_free(&out);
    return receive(p);
}

static const char *sign_on(struct place *p)
{
    struct iso_message m;
    iso_init(&m, "0800");
    kit_set(&m, 7, "1121220000");
    iso_set_number(&m, 11, ++p->kit.stan, 6);
    kit_set(&m, 70, "001");
    return exchange(p, &m);
}

static const char *sale(struct place *p, int64_t amount, unsigned stan, const char *pan)
{
    struct iso_message m;
    struct ask a = { "0200", .amount = amount, .stan = stan, .pan = pan };
    kit_build(&p->kit, &a, &m);
    return exchange(p, &m);
}

static int setup(void **state)
{
    log_setup(LOG_ERROR, -1);
    *state = calloc(1, sizeof(struct place));
    return *state == NULL;
}

static int teardown(void **state)
{
    free(*state);
    return 0;
}

static void a_gateway_signs_on_and_pays_over_tcp(void **state)
{
    struct place *p = *state;
    start(p, NULL, NULL);
    assert_string_equal(sale(p, 10, 1, NULL), "91");
    assert_string_equal(sign_on(p), "00");
    assert_string_equal(sale(p, 10, 2, NULL), "00");
    assert_string_equal(p->answer.mti, "0210");
    struct host_position at;
    assert_true(host_server_position(p->server, STR(REFERENCE), &at));
    assert_int_equal(at.captured_minor, 10);
    assert_false(host_server_position(p->server, STR("unknown"), &at));
    assert_true(host_server_running(p->server));
    stop(p);
}

static void many_messages_in_one_write_are_all_answered_in_order(void **state)
{
    struct place *p = *state;
    enum { N = 2000 };
    start(p, NULL, NULL);
    assert_string_equal(sign_on(p), "00");
    struct buf out;
    buf_init(&out, N * 512);
    for (unsigned i = 0; i < N; i++) {
        struct iso_message m;
        struct ask a = { "0200", .amount = 1, .stan = 100 + i };
        kit_build(&p->kit, &a, &m);
        add_message(&out, &m);
    }
    send_bytes(p->fd, buf_view(&out));
    buf_free(&out);
    for (unsigned i = 0; i < N; i++) {
        uint64_t stan;
        assert_string_equal(receive(p), "00");
        assert_true(str_to_u64(iso_get(&p->answer, 11), 999999, &stan));
        assert_int_equal(stan, 100 + i);
    }
    stop(p);
}

static void each_connection_signs_on_for_itself(void **state)
{
    struct place *p = *state;
    start(p, NULL, NULL);
    assert_string_equal(sign_on(p), "00");
    int first = p->fd;
    p->fd = dial(host_server_port(p->server));
    assert_string_equal(sale(p, 10, 50, NULL), "91");
    assert_int_equal(close(p->fd), 0);
    p->fd = first;
    assert_string_equal(sale(p, 10, 51, NULL), "00");
    stop(p);
}

static void a_dropped_connection_ends_after_the_answers_before_it(void **state)
{
    struct place *p = *state;
    start(p, NULL, NULL);
    assert_string_equal(sign_on(p), "00");
    struct buf out;
    buf_init(&out, 4 * ISO_MAX_FRAME);
    static const char *const pans[] = { NULL, "4000007700032045", NULL };
    for (unsigned i = 0; i < COUNT(pans); i++) {
        struct iso_message m;
        struct ask a = { "0200", .amount = 1, .stan = 50 + i, .pan = pans[i] };
        kit_build(&p->kit, &a, &m);
        add_message(&out, &m);
    }
    send_bytes(p->fd, buf_view(&out));
    buf_free(&out);
    assert_string_equal(receive(p), "00");
    assert_string_equal(receive(p), "");
    struct host_position at;
    assert_true(host_server_position(p->server, STR(REFERENCE), &at));
    assert_int_equal(at.captured_minor, 2); /* the third was never read */
    stop(p);
}

static void a_late_answer_wakes_the_loop(void **state)
{
    struct place *p = *state;
    start(p, NULL, NULL);
    assert_string_equal(sign_on(p), "00");
    struct host_faults late = { .kind = HOST_FAULT_LATE, .count = 1, .late_ms = 60 }, now;
    host_server_set_faults(p->server, &late);
    int64_t before = clock_mono_ns();
    assert_string_equal(sale(p, 10, 50, NULL), "00");
    assert_true(clock_mono_ns() - before >= 59 * 1000000LL);
    host_server_faults(p->server, &now);
    assert_int_equal(now.kind, HOST_FAULT_NONE);
    stop(p);
}

static void a_closed_connection_does_not_disturb_the_others(void **state)
{
    struct place *p = *state;
    start(p, NULL, NULL);
    assert_string_equal(sign_on(p), "00");
    for (int i = 0; i < 20; i++) {
        int fd = dial(host_server_port(p->server));
        send_bytes(fd, i % 2 == 0 ? STR("\x01") : STR("\xFF\xFFgarbage"));
        assert_int_equal(close(fd), 0);
    }
    assert_string_equal(sale(p, 10, 50, NULL), "00");
    stop(p);
}

static void a_restart_finds_what_was_answered(void **state)
{
    struct place *p = *state;
    char folder[64], journal[80];
    (void)snprintf(
        folder, sizeof folder, "%.40s/turnpike-XXXXXX", kit_or(getenv("TMPDIR"), "/tmp"));
    assert_non_null(mkdtemp(folder));
    (void)snprintf(journal, sizeof journal, "%s/journal", folder);
    start(p, journal, NULL);
    assert_string_equal(sign_on(p), "00");
    assert_string_equal(sale(p, 10, 50, NULL), "00");
    struct stat st;
    assert_int_equal(stat(journal, &st), 0); /* before the stop: the line was written first */
    assert_true(st.st_size > 200);
    stop(p);
    start(p, journal, NULL);
    assert_string_equal(sign_on(p), "00");
    assert_string_equal(sale(p, 10, 50, NULL), "94");
    stop(p);

    FILE *f = fopen(journal, "w");
    assert_non_null(f);
    assert_true(fputs("nonsense\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    struct host_server_config config = { .host = { .journal_path = journal },
        .listen = "127.0.0.1:0" };
    char why[256] = "";
    assert_null(host_server_start(&config, why, sizeof why));
    assert_non_null(strstr(why, "journal line 1: "));
    assert_int_equal(unlink(journal), 0);
    assert_int_equal(rmdir(folder), 0);
}

static void an_address_that_is_none_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = { "", "nowhere", "127.0.0.1", ":80", "127.0.0.1:x",
        "203.0.113.1:0", "host.invalid:0" };
    for (size_t i = 0; i < COUNT(bad); i++) {
        struct host_server_config config = { .listen = bad[i] };
        char why[256] = "";
        assert_null(host_server_start(&config, why, sizeof why));
        assert_true(why[0] != '\0');
    }
}

/* ---- the control ---- */

/* Sends a request; the whole answer, valid until the next call. */
static const char *http(unsigned port, const char *method, const char *path, const char *body)
{
    static char answer[4096];
    int fd = dial(port);
    struct buf out;
    buf_init(&out, 4096);
    buf_printf(&out,
        "%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: %zu\r\n\r\n%s", method,
        path, strlen(body), body);
    send_bytes(fd, buf_view(&out));
    buf_free(&out);
    size_t have = 0;
    ssize_t n;
    while ((n = recv(fd, answer + have, sizeof answer - 1 - have, 0)) > 0)
        have += (size_t)n;
    answer[have] = '\0';
    assert_int_equal(close(fd), 0);
    return answer;
}

static void assert_http(struct place *p, const char *method, const char *path, const char *body,
    const char *status, const char *part)
{
    unsigned port = host_server_control_port(p->server);
    const char *answer = http(port, method, path, body);
    if (strncmp(answer, "HTTP/1.1 ", 9) != 0 || strncmp(answer + 9, status, 3) != 0 ||
        strstr(answer, part) == NULL)
        fail_msg("%s %s: %s", method, path, answer);
}

static void the_control_sets_faults_and_tells_positions(void **state)
{
    struct place *p = *state;
    start(p, NULL, "127.0.0.1:0");
    assert_string_equal(sign_on(p), "00");
    assert_http(p, "GET", "/faults", "", "200", "{\"fault\":\"none\"");
    assert_http(p, "POST", "/faults", "{\"fault\":\"sign_off\"}", "200", "\"sign_off\"");
    assert_string_equal(sale(p, 10, 50, NULL), "91");
    assert_http(p, "POST", "/faults", "{\"fault\":\"chaos\"}", "400", "fault");
    assert_http(p, "GET", "/faults", "", "200", "\"sign_off\"");
    assert_http(p, "POST", "/faults", "{}", "200", "\"none\"");
    assert_http(p, "GET", "/position?reference=" REFERENCE, "", "404", "never seen");
    assert_string_equal(sale(p, 10, 50, NULL), "00");
    assert_http(p, "GET", "/position?reference=" REFERENCE, "", "200",
        "{\"held_minor\":0,\"captured_minor\":10,\"refunded_minor\":0,\"messages\":1}");
    assert_http(p, "GET", "/position", "", "400", "reference");
    stop(p);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_gateway_signs_on_and_pays_over_tcp),
        T(many_messages_in_one_write_are_all_answered_in_order),
        T(each_connection_signs_on_for_itself),
        T(a_dropped_connection_ends_after_the_answers_before_it),
        T(a_late_answer_wakes_the_loop),
        T(a_closed_connection_does_not_disturb_the_others),
        T(a_restart_finds_what_was_answered),
        T(an_address_that_is_none_is_refused),
        T(the_control_sets_faults_and_tells_positions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
