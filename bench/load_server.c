/* SPDX-License-Identifier: MIT */
/*
 * Load generator for sop serve: clients that page at random through a store, each over one kept connection, and
 * check that every answer is the page they asked for. One JSON line on standard output.
 *
 *     load_server PORT TOKEN DATABASE STORE ITEMS CLIENTS SECONDS [LIMIT]
 */
#include <arpa/inet.h>
#include <inttypes.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { HEAD_MAX = 4096, ANSWER_MAX = 4 << 20, CLIENTS_MAX = 256, SAMPLES_MAX = 1 << 21 };

typedef struct {
    pthread_t thread;
    uint64_t seed;
    uint64_t *samples_ns;
    size_t count;
    uint64_t bytes;
} client;

static struct {
    uint16_t port;
    const char *database;
    const char *store;
    uint64_t items;
    unsigned limit;
    uint64_t end_ns;
    char cookie[600];
} plan;

static _Noreturn void die(const char *what)
{
    fprintf(stderr, "load_server: %s\n", what);
    exit(1);
}

static uint64_t now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t number(const char *text)
{
    char *end = NULL;
    unsigned long long value = strtoull(text, &end, 10);
    if (*text == '\0' || *end != '\0') die("an argument is not a number");
    return value;
}

/* splitmix64 */
static uint64_t chance(uint64_t *seed)
{
    uint64_t z = *seed += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static int server_connect(void)
{
    struct sockaddr_in place = {.sin_family = AF_INET,
                                .sin_port = htons(plan.port),
                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int one = 1;
    int s = socket(AF_INET, SOCK_STREAM, 0);
    if (s < 0 || connect(s, (struct sockaddr *)&place, sizeof place) != 0) die("cannot connect");
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return s;
}

static void all_send(int s, const char *data, size_t size)
{
    while (size > 0) {
        ssize_t sent = send(s, data, size, MSG_NOSIGNAL);
        if (sent <= 0) die("the server closed the connection");
        data += sent;
        size -= (size_t)sent;
    }
}

/* Reads one answer; returns its size, head included. *head_out: where the body begins. */
static size_t answer_read(int s, char *to, size_t *head_out)
{
    size_t size = 0;
    size_t wanted = 0;
    *head_out = 0;
    while (wanted == 0 || size < wanted) {
        ssize_t got = recv(s, to + size, ANSWER_MAX - 1 - size, 0);
        if (got <= 0) die("the server closed the connection");
        size += (size_t)got;
        to[size] = '\0';
        if (wanted != 0) continue;
        const char *end = strstr(to, "\r\n\r\n");
        if (end == NULL) continue;
        const char *length = strstr(to, "Content-Length: ");
        if (length == NULL || length > end) die("an answer without Content-Length");
        *head_out = (size_t)(end - to) + 4;
        wanted = *head_out + strtoull(length + 16, NULL, 10);
        if (wanted >= ANSWER_MAX) die("an answer is too long");
    }
    return size;
}

static void login(const char *token)
{
    char request[1024];
    char *answer = malloc(ANSWER_MAX);
    size_t head;
    int s = server_connect();
    if (answer == NULL) die("out of memory");
    int body = snprintf(NULL, 0, "{\"token\":\"%s\"}", token);
    int size =
        snprintf(request, sizeof request,
                 "POST /api/v1/session HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nX-SOP-Request: 1\r\n"
                 "Content-Type: application/json\r\nContent-Length: %d\r\n\r\n{\"token\":\"%s\"}",
                 plan.port, body, token);
    all_send(s, request, (size_t)size);
    answer_read(s, answer, &head);
    const char *cookie = strstr(answer, "Set-Cookie: ");
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || cookie == NULL) die("no session");
    cookie += 12;
    snprintf(plan.cookie, sizeof plan.cookie, "%.*s", (int)strcspn(cookie, ";"), cookie);
    free(answer);
    close(s);
}

/* The page begins at the rank that was asked for, and holds as many items as it should. */
static void answer_check(const char *answer, size_t head, size_t size, uint64_t rank)
{
    char wanted[64];
    size_t tail = size - head < 400 ? size - head : 400;
    snprintf(wanted, sizeof wanted, "\"rank\":%" PRIu64 ",", rank);
    if (strncmp(answer, "HTTP/1.1 200", 12) != 0 || strstr(answer + size - tail, wanted) == NULL) {
        fprintf(stderr, "%.400s\n", answer);
        die("not the page that was asked for");
    }
}

static void *run(void *argument)
{
    client *c = argument;
    char request[1200];
    char *answer = malloc(ANSWER_MAX);
    int s = server_connect();
    if (answer == NULL) die("out of memory");
    for (uint64_t start = now_ns(); start < plan.end_ns && c->count < SAMPLES_MAX;
         start = now_ns()) {
        size_t head;
        uint64_t rank = chance(&c->seed) % (plan.items - plan.limit + 1);
        int size = snprintf(request, sizeof request,
                            "GET /api/v1/r/local/d/%s/stores/%s/items?rank=%" PRIu64
                            "&limit=%u HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nCookie: %s\r\n\r\n",
                            plan.database, plan.store, rank, plan.limit, plan.port, plan.cookie);
        all_send(s, request, (size_t)size);
        size_t got = answer_read(s, answer, &head);
        c->samples_ns[c->count++] = now_ns() - start;
        c->bytes += got;
        answer_check(answer, head, got, rank);
    }
    close(s);
    free(answer);
    return NULL;
}

static int compare(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

static void report(client *clients, unsigned count, double seconds)
{
    size_t total = 0;
    size_t at = 0;
    uint64_t bytes = 0;
    for (unsigned i = 0; i < count; i++)
        total += clients[i].count;
    uint64_t *all = malloc((total + 1) * sizeof *all);
    if (all == NULL || total == 0) die("nothing was measured");
    for (unsigned i = 0; i < count; i++) {
        memcpy(all + at, clients[i].samples_ns, clients[i].count * sizeof *all);
        at += clients[i].count;
        bytes += clients[i].bytes;
    }
    qsort(all, total, sizeof *all, compare);
    printf("{\"workload\":\"server-pages\",\"clients\":%u,\"items\":%" PRIu64
           ",\"limit\":%u,\"seconds\":%.2f,\"pages\":%zu,\"pages_per_s\":%.0f,\"p50_ms\":%.3f,"
           "\"p99_ms\":%.3f,\"max_ms\":%.3f,\"mb_per_s\":%.1f}\n",
           count, plan.items, plan.limit, seconds, total, (double)total / seconds,
           (double)all[total / 2] / 1e6, (double)all[total * 99 / 100] / 1e6,
           (double)all[total - 1] / 1e6, (double)bytes / seconds / 1e6);
    free(all);
}

int main(int argc, char **argv)
{
    static client clients[CLIENTS_MAX];
    if (argc < 8) die("PORT TOKEN DATABASE STORE ITEMS CLIENTS SECONDS [LIMIT]");
    plan.port = (uint16_t)number(argv[1]);
    plan.database = argv[3];
    plan.store = argv[4];
    plan.items = number(argv[5]);
    unsigned count = (unsigned)number(argv[6]);
    plan.limit = argc > 8 ? (unsigned)number(argv[8]) : 100;
    if (count == 0 || count > CLIENTS_MAX || plan.items < plan.limit) die("bad numbers");
    login(argv[2]);
    uint64_t start = now_ns();
    plan.end_ns = start + number(argv[7]) * UINT64_C(1000000000);
    for (unsigned i = 0; i < count; i++) {
        clients[i].seed = i + 1;
        clients[i].samples_ns = malloc(SAMPLES_MAX * sizeof(uint64_t));
        if (clients[i].samples_ns == NULL ||
            pthread_create(&clients[i].thread, NULL, run, &clients[i]) != 0) {
            die("cannot start a client");
        }
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(clients[i].thread, NULL);
    report(clients, count, (double)(now_ns() - start) / 1e9);
    return 0;
}
