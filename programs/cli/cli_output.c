/* SPDX-License-Identifier: MIT */
/* How bytes and numbers are shown and read, progress, Ctrl-C. */
#define _DEFAULT_SOURCE 1 /* isatty, sigaction flags */
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "cli/cli.h"
#include "util/memory.h"

/* ---- bytes ---- */

/* The size of the UTF-8 character at p, 0 if it is none (RFC 3629). */
static size_t utf8_step(const uint8_t *p, size_t left)
{
    if (p[0] < 0x80) return 1;
    if (p[0] < 0xc2 || p[0] > 0xf4) return 0;
    size_t size = p[0] >= 0xf0 ? 4 : p[0] >= 0xe0 ? 3 : 2;
    if (size > left) return 0;
    for (size_t i = 1; i < size; i++) {
        if ((p[i] & 0xc0) != 0x80) return 0;
    }
    if (p[0] == 0xe0 && p[1] < 0xa0) return 0;
    if (p[0] == 0xed && p[1] > 0x9f) return 0;
    if (p[0] == 0xf0 && p[1] < 0x90) return 0;
    if (p[0] == 0xf4 && p[1] > 0x8f) return 0;
    return size;
}

int cli_is_utf8(sop_slice bytes)
{
    const uint8_t *p = bytes.data;
    for (size_t i = 0; i < bytes.size;) {
        size_t step = utf8_step(p + i, bytes.size - i);
        if (step == 0) return 0;
        i += step;
    }
    return 1;
}

void cli_print_text(FILE *out, sop_slice bytes)
{
    const uint8_t *p = bytes.data;
    for (size_t i = 0; i < bytes.size;) {
        size_t step = utf8_step(p + i, bytes.size - i);
        int control = p[i] < 0x20 || p[i] == 0x7f || (step == 2 && p[i] == 0xc2 && p[i + 1] < 0xa0);
        if (step == 0 || control) {
            (void)fprintf(out, "\\x%02x", p[i]);
            i++;
        } else if (p[i] == '\\') {
            (void)fputs("\\\\", out);
            i++;
        } else {
            (void)fwrite(p + i, 1, step, out);
            i += step;
        }
    }
}

static void print_base64(FILE *out, sop_slice bytes)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *p = bytes.data;
    for (size_t i = 0; i < bytes.size; i += 3) {
        size_t left = bytes.size - i;
        uint32_t v = (uint32_t)p[i] << 16 | (left > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                     (left > 2 ? p[i + 2] : 0u);
        (void)fputc(digits[v >> 18], out);
        (void)fputc(digits[v >> 12 & 63], out);
        (void)fputc(left > 1 ? digits[v >> 6 & 63] : '=', out);
        (void)fputc(left > 2 ? digits[v & 63] : '=', out);
    }
}

void cli_print_json(FILE *out, sop_slice bytes)
{
    if (!cli_is_utf8(bytes)) {
        (void)fputs("{\"$t\":\"bytes\",\"v\":\"", out);
        print_base64(out, bytes);
        (void)fputs("\"}", out);
        return;
    }
    const char *p = bytes.data;
    (void)fputc('"', out);
    for (size_t i = 0; i < bytes.size; i++) {
        uint8_t c = (uint8_t)p[i];
        if (c == '"' || c == '\\') {
            (void)fprintf(out, "\\%c", c);
        } else if (c == '\n') {
            (void)fputs("\\n", out);
        } else if (c < 0x20 || c == 0x7f) {
            (void)fprintf(out, "\\u%04x", c);
        } else {
            (void)fputc(c, out);
        }
    }
    (void)fputc('"', out);
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

sop_slice cli_unescape(const char *text)
{
    size_t size = strlen(text);
    uint8_t *bytes = sop_alloc(size + 1);
    size_t n = 0;
    if (bytes == NULL) return (sop_slice){NULL, 0};
    for (size_t i = 0; i < size; i++) {
        if (text[i] == '\\' && text[i + 1] == '\\') {
            bytes[n++] = '\\';
            i++;
        } else if (text[i] == '\\' && text[i + 1] == 'x' && hex_digit(text[i + 2]) >= 0 &&
                   hex_digit(text[i + 3]) >= 0) {
            bytes[n++] = (uint8_t)(hex_digit(text[i + 2]) << 4 | hex_digit(text[i + 3]));
            i += 3;
        } else {
            bytes[n++] = (uint8_t)text[i];
        }
    }
    return (sop_slice){bytes, n};
}

void cli_slice_free(sop_slice slice)
{
    /* It was ours to write before it became a slice. */
    void *memory;
    memcpy(&memory, &slice.data, sizeof memory);
    sop_free(memory);
}

const char *cli_reason(int number, char buffer[CLI_REASON_SIZE])
{
    if (strerror_r(number, buffer, CLI_REASON_SIZE) != 0) {
        (void)snprintf(buffer, CLI_REASON_SIZE, "error %d", number);
    }
    return buffer;
}

/* ---- numbers ---- */

const char *cli_thousands(uint64_t n, char buffer[32])
{
    char digits[24];
    int size = snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);
    int at = 0;
    for (int i = 0; i < size; i++) {
        if (i != 0 && (size - i) % 3 == 0) buffer[at++] = ',';
        buffer[at++] = digits[i];
    }
    buffer[at] = '\0';
    return buffer;
}

const char *cli_bytes(uint64_t n, char buffer[32])
{
    static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)n;
    size_t unit = 0;
    while (value >= 1024 && unit + 1 < sizeof units / sizeof units[0]) {
        value /= 1024;
        unit++;
    }
    (void)snprintf(buffer, 32, unit == 0 ? "%.0f %s" : "%.1f %s", value, units[unit]);
    return buffer;
}

/* ---- Ctrl-C ---- */

static _Atomic(sop_db *) interrupt_db;
static atomic_int interrupt_seen;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    /* A second Ctrl-C ends the process the hard way, which is safe for the data. */
    if (atomic_exchange(&interrupt_seen, 1) != 0) _exit(CLI_INTERRUPTED);
    sop_db *db = atomic_load(&interrupt_db);
    if (db != NULL) sop_db_interrupt(db);
}

void cli_interrupt_target(sop_db *db)
{
    atomic_store(&interrupt_db, db);
    struct sigaction action = {.sa_handler = db == NULL ? SIG_DFL : on_interrupt};
    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGINT, &action, NULL);
}

int cli_interrupted(void)
{
    return atomic_load(&interrupt_seen);
}

/* ---- progress ---- */

static uint64_t now_ms(void)
{
    struct timespec ts = {0};
    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

void cli_progress_begin(cli_progress *progress, const cli_args *args, const char *what)
{
    progress->what = what;
    progress->shown_ms = now_ms();
    progress->on = !args->quiet && !args->json && isatty(STDERR_FILENO);
}

sop_status cli_progress_step(uint64_t done, uint64_t total, void *context)
{
    cli_progress *progress = context;
    if (cli_interrupted()) return SOP_CANCELLED;
    if (!progress->on) return SOP_OK;
    uint64_t now = now_ms();
    if (now - progress->shown_ms < 100) return SOP_OK;
    progress->shown_ms = now;
    char count[32];
    if (total == 0) {
        (void)fprintf(stderr, "\r%s %s\033[K", progress->what, cli_thousands(done, count));
        return SOP_OK;
    }
    int filled = (int)(done * 30 / total);
    (void)fprintf(stderr, "\r%s [", progress->what);
    for (int i = 0; i < 30; i++) {
        (void)fputc(i < filled ? '#' : '.', stderr);
    }
    (void)fprintf(stderr, "] %3d %%\033[K", (int)(done * 100 / total));
    return SOP_OK;
}

void cli_progress_end(cli_progress *progress)
{
    if (progress->on) (void)fputs("\r\033[K", stderr);
}
