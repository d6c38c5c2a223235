/*
 * A yardstick: how long the disk takes to make 4 KiB durable.
 *
 *   fdatasync FILE SECONDS
 *
 * Writes one block after another over a file that exists in full, as a write-ahead log that is used again does, and waits for each.
 * Prints JSON, times in microseconds.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { BLOCK = 4096, BLOCKS = 256, SAMPLES = 1 << 20 };

static double now_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static void write_block(int fd, int index)
{
    static char block[BLOCK];
    memset(block, index & 0xff, sizeof(block));
    if (pwrite(fd, block, sizeof(block), (off_t)index * BLOCK) != BLOCK || fdatasync(fd) != 0) {
        fprintf(stderr, "fdatasync: %s\n", strerror(errno));
        exit(1);
    }
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    static double samples[SAMPLES];
    if (argc != 3) {
        fprintf(stderr, "usage: fdatasync FILE SECONDS\n");
        return 2;
    }
    int fd = open(argv[1], O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0) {
        fprintf(stderr, "%s: %s\n", argv[1], strerror(errno));
        return 1;
    }
    for (int i = 0; i < BLOCKS; i++)
        write_block(fd, i);

    double start = now_us(), end = start + strtod(argv[2], NULL) * 1e6, at = start;
    size_t n = 0;
    while (n < SAMPLES && (n == 0 || at < end)) {
        write_block(fd, (int)(n % BLOCKS));
        double after = now_us();
        samples[n++] = after - at;
        at = after;
    }
    qsort(samples, n, sizeof(samples[0]), by_size);
    printf("{\"per_second\":%.1f,\"p50\":%.1f,\"p99\":%.1f}\n", (double)n / (at - start) * 1e6,
        samples[n / 2], samples[n * 99 / 100]);
    return close(fd) == 0 && unlink(argv[1]) == 0 ? 0 : 1;
}
