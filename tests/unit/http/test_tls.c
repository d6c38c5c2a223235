/*
 * HTTPS with a certificate made for the occasion, asked by a client that checks it.
 */
#include "wire.h"

#include <curl/curl.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <pthread.h>

static char folder[] = "/tmp/turnpike-tls-XXXXXX";
static char cert_file[64], key_file[64], other_key_file[64], text_file[64];

static enum http_result hello(void *context, struct http_request *r)
{
    (void)context;
    http_reply_text(r, 200, "text/plain", r->body.n > 0 ? r->body : STR("hello"));
    return HTTP_REPLY;
}

static void *resume_it(void *request)
{
    http_resume(request);
    return NULL;
}

static enum http_result hold(void *context, struct http_request *r)
{
    (void)context;
    pthread_t other;
    assert_int_equal(pthread_create(&other, NULL, resume_it, r), 0);
    assert_int_equal(pthread_detach(other), 0);
    return HTTP_WAIT;
}

static void resumed(void *context, struct http_request *r)
{
    (void)hello(context, r);
}

static const struct http_route routes[] = {
    { "/", HTTP_GET | HTTP_POST, hello, NULL, NULL },
    { "/wait", HTTP_GET | HTTP_POST, hold, resumed, NULL },
};

/* ---- The certificate. ---- */

static void write_key(const char *path, EVP_PKEY *key)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL), 1);
    assert_int_equal(fclose(f), 0);
}

static void write_cert(const char *path, EVP_PKEY *key)
{
    X509 *x = X509_new();
    assert_non_null(x);
    assert_int_equal(X509_set_version(x, 2), 1);
    assert_int_equal(ASN1_INTEGER_set(X509_get_serialNumber(x), 1), 1);
    assert_non_null(X509_gmtime_adj(X509_getm_notBefore(x), -3600));
    assert_non_null(X509_gmtime_adj(X509_getm_notAfter(x), 3600));
    X509_NAME *name = X509_get_subject_name(x);
    assert_int_equal(X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                         (const unsigned char *)"turnpike test", -1, -1, 0),
        1);
    assert_int_equal(X509_set_issuer_name(x, name), 1);
    assert_int_equal(X509_set_pubkey(x, key), 1);
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "IP:127.0.0.1");
    assert_non_null(e);
    assert_int_equal(X509_add_ext(x, e, -1), 1);
    X509_EXTENSION_free(e);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(PEM_write_X509(f, x), 1);
    assert_int_equal(fclose(f), 0);
    X509_free(x);
}

static int make_files(void **state)
{
    (void)state;
    assert_int_equal(curl_global_init(CURL_GLOBAL_DEFAULT), CURLE_OK);
    assert_non_null(mkdtemp(folder));
    (void)snprintf(cert_file, sizeof cert_file, "%s/cert.pem", folder);
    (void)snprintf(key_file, sizeof key_file, "%s/key.pem", folder);
    (void)snprintf(other_key_file, sizeof other_key_file, "%s/other.pem", folder);
    (void)snprintf(text_file, sizeof text_file, "%s/text.pem", folder);
    EVP_PKEY *key = EVP_EC_gen("P-256"), *other = EVP_EC_gen("P-256");
    assert_non_null(key);
    assert_non_null(other);
    write_key(key_file, key);
    write_key(other_key_file, other);
    write_cert(cert_file, key);
    EVP_PKEY_free(key);
    EVP_PKEY_free(other);
    FILE *f = fopen(text_file, "w");
    assert_non_null(f);
    assert_true(fputs("no certificate\n", f) >= 0);
    assert_int_equal(fclose(f), 0);
    return 0;
}

static int remove_files(void **state)
{
    (void)state;
    (void)unlink(cert_file);
    (void)unlink(key_file);
    (void)unlink(other_key_file);
    (void)unlink(text_file);
    curl_global_cleanup();
    return rmdir(folder);
}

static struct http_server *start(const char *cert, const char *key, char *why, size_t why_size)
{
    struct http_config config = { .listen = "127.0.0.1:0",
        .threads = 2,
        .tls_cert_file = cert,
        .tls_key_file = key,
        .routes = routes,
        .n_routes = COUNT(routes),
        .metric_prefix = "test",
        .limits.idle_seconds = 1 };
    return http_start(&config, why, why_size);
}

/* ---- The client. ---- */

static size_t keep(char *bytes, size_t size, size_t n, void *out)
{
    buf_add(out, bytes, size * n);
    return size * n;
}

static CURLcode ask(CURL *curl, unsigned port, const char *path, const char *post, struct buf *out)
{
    char url[100];
    (void)snprintf(url, sizeof url, "https://127.0.0.1:%u%s", port, path);
    buf_reset(out);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_URL, url), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_CAINFO, cert_file), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, keep), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_WRITEDATA, out), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_POSTFIELDS, post), CURLE_OK);
    assert_int_equal(curl_easy_setopt(curl, CURLOPT_TIMEOUT, 10L), CURLE_OK);
    return curl_easy_perform(curl);
}

static void requests_are_served_over_tls(void **state)
{
    (void)state;
    char why[200] = "";
    struct http_server *s = start(cert_file, key_file, why, sizeof why);
    if (s == NULL)
        fail_msg("%s", why);
    struct buf out;
    buf_init(&out, 1 << 20);
    CURL *curl = curl_easy_init();
    assert_non_null(curl);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(ask(curl, http_port(s), "/", "a=1", &out), CURLE_OK);
        assert_true(str_eq(buf_view(&out), STR("a=1")));
        assert_int_equal(ask(curl, http_port(s), "/wait", "b=2", &out), CURLE_OK);
        assert_true(str_eq(buf_view(&out), STR("b=2")));
    }
    long connects;
    assert_int_equal(curl_easy_getinfo(curl, CURLINFO_NUM_CONNECTS, &connects), CURLE_OK);
    assert_int_equal(connects, 0); /* the last one came over the connection of the first */
    curl_easy_cleanup(curl);
    buf_free(&out);
    http_stop(s);
}

static void old_versions_are_refused(void **state)
{
    (void)state;
    char why[200] = "";
    struct http_server *s = start(cert_file, key_file, why, sizeof why);
    assert_non_null(s);
    struct buf out;
    buf_init(&out, 1 << 20);
    static const struct {
        long version;
        CURLcode result;
    } cases[] = {
        { CURL_SSLVERSION_TLSv1_1 | CURL_SSLVERSION_MAX_TLSv1_1, CURLE_SSL_CONNECT_ERROR },
        { CURL_SSLVERSION_TLSv1_2 | CURL_SSLVERSION_MAX_TLSv1_2, CURLE_OK },
        { CURL_SSLVERSION_TLSv1_3 | CURL_SSLVERSION_MAX_TLSv1_3, CURLE_OK },
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        CURL *curl = curl_easy_init();
        assert_non_null(curl);
        assert_int_equal(curl_easy_setopt(curl, CURLOPT_SSLVERSION, cases[i].version), CURLE_OK);
        assert_int_equal(
            curl_easy_setopt(curl, CURLOPT_SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0"), CURLE_OK);
        assert_int_equal(ask(curl, http_port(s), "/", "x", &out), cases[i].result);
        curl_easy_cleanup(curl);
    }
    buf_free(&out);
    http_stop(s);
}

static void plain_http_and_silence_are_closed_on_a_tls_port(void **state)
{
    (void)state;
    char why[200] = "";
    struct http_server *s = start(cert_file, key_file, why, sizeof why);
    assert_non_null(s);
    struct wire plain, silent;
    wire_open(&plain, http_port(s));
    wire_open(&silent, http_port(s));
    wire_get(&plain, "/");
    assert_true(wire_closes(&plain, 3000));
    assert_null(memmem(plain.ahead, plain.n, "HTTP", 4));
    assert_true(wire_closes(&silent, 3000));
    wire_close(&plain);
    wire_close(&silent);
    http_stop(s);
}

static void a_pair_that_does_not_fit_is_told(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        { cert_file, other_key_file },
        { text_file, key_file },
        { cert_file, text_file },
        { cert_file, cert_file },
    };
    for (size_t i = 0; i < COUNT(pairs); i++) {
        char why[200] = "";
        assert_null(start(pairs[i][0], pairs[i][1], why, sizeof why));
        assert_string_equal(
            why, "cannot start the server: are certificate and key PEM and a pair?");
    }
    char why[200] = "";
    assert_null(start(cert_file, folder, why, sizeof why));
    assert_non_null(strstr(why, "cannot read "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_are_served_over_tls),
        cmocka_unit_test(old_versions_are_refused),
        cmocka_unit_test(plain_http_and_silence_are_closed_on_a_tls_port),
        cmocka_unit_test(a_pair_that_does_not_fit_is_told),
    };
    return cmocka_run_group_tests(tests, make_files, remove_files);
}
