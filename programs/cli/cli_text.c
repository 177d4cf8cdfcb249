/* SPDX-License-Identifier: MIT */
/* How keys, values and figures are shown, and how bytes are read from a command line. */
#define _DEFAULT_SOURCE 1 /* isatty, TIOCGWINSZ */
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "cli/cli.h"
#include "json/json.h"
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

typedef struct {
    uint32_t from;
    uint32_t to;
} code_range;

static int in_ranges(uint32_t code, const code_range *ranges, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (code >= ranges[i].from && code <= ranges[i].to) return 1;
    }
    return 0;
}

/* Columns that a character takes on a terminal: East Asian ones two, combining ones none. */
static size_t columns_of(const uint8_t *p, size_t size)
{
    static const code_range wide[] = {{0x1100, 0x115f},  {0x2e80, 0xa4cf},   {0xac00, 0xd7a3},
                                      {0xf900, 0xfaff},  {0xfe30, 0xfe6f},   {0xff00, 0xff60},
                                      {0xffe0, 0xffe6},  {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff},
                                      {0x20000, 0x3fffd}};
    static const code_range none[] = {
        {0x300, 0x36f}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}};
    uint32_t code = size == 1 ? p[0] : p[0] & (0xffu >> (size + 1));
    for (size_t i = 1; i < size; i++) {
        code = code << 6 | (p[i] & 0x3fu);
    }
    if (in_ranges(code, none, sizeof none / sizeof none[0])) return 0;
    return in_ranges(code, wide, sizeof wide / sizeof wide[0]) ? 2 : 1;
}

/* What is shown for the character at p. Returns how many bytes of p that is. */
static size_t
show_character(const uint8_t *p, size_t left, cli_show how, char shown[8], size_t *columns_out)
{
    size_t step = utf8_step(p, left);
    int control = p[0] < 0x20 || p[0] == 0x7f || (step == 2 && p[0] == 0xc2 && p[1] < 0xa0);
    if (how == CLI_SHOW_JSON && (p[0] == '\n' || p[0] == '\r' || p[0] == '\t')) {
        *columns_out = 1;
        (void)snprintf(shown, 8, " ");
    } else if (step == 0 || control) {
        *columns_out = 4;
        (void)snprintf(shown, 8, "\\x%02x", p[0]);
        return 1;
    } else if (p[0] == '\\' && how == CLI_SHOW_KEY) {
        *columns_out = 2;
        (void)snprintf(shown, 8, "\\\\");
    } else {
        *columns_out = columns_of(p, step);
        memcpy(shown, p, step);
        shown[step] = '\0';
    }
    return step;
}

size_t cli_width(sop_slice bytes, cli_show how)
{
    const uint8_t *p = bytes.data;
    char shown[8];
    size_t width = 0;
    for (size_t i = 0; i < bytes.size;) {
        size_t columns;
        i += show_character(p + i, bytes.size - i, how, shown, &columns);
        width += columns;
    }
    return width;
}

void cli_print_cut(FILE *out, sop_slice bytes, cli_show how, size_t columns_max)
{
    const uint8_t *p = bytes.data;
    char shown[8];
    /* What is longer than 4 bytes a column need not be measured to its end. */
    sop_slice head = {p, bytes.size / 4 > columns_max ? columns_max * 4 + 4 : bytes.size};
    int cut = head.size < bytes.size || cli_width(head, how) > columns_max;
    size_t room = cut && columns_max > 0 ? columns_max - 1 : columns_max;
    for (size_t i = 0; i < bytes.size;) {
        size_t columns;
        i += show_character(p + i, bytes.size - i, how, shown, &columns);
        if (columns > room) break;
        room -= columns;
        (void)fputs(shown, out);
    }
    if (cut) (void)fputs("\u2026", out);
}

void cli_print_text(FILE *out, sop_slice bytes, cli_show how)
{
    const uint8_t *p = bytes.data;
    char shown[8];
    for (size_t i = 0; i < bytes.size;) {
        size_t columns;
        i += show_character(p + i, bytes.size - i, how, shown, &columns);
        (void)fputs(shown, out);
    }
}

void cli_print_spaces(FILE *out, size_t from, size_t to)
{
    for (; from < to; from++) {
        (void)fputc(' ', out);
    }
}

size_t cli_terminal_width(void)
{
    struct winsize size = {0};
    if (!isatty(STDOUT_FILENO)) return 0;
    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col < 20) return 80;
    return size.ws_col;
}

/* ---- JSON ---- */

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

sop_slice cli_one_line(sop_json_writer *scratch, sop_slice json)
{
    sop_slice line;
    if (json.size == 0 || memchr(json.data, '\n', json.size) == NULL) return json;
    if (sop_json_check(json, NULL, NULL, NULL) != SOP_OK) return json;
    sop_json_writer_reset(scratch);
    sop_json_reformat(scratch, json);
    return sop_json_writer_end(scratch, &line) == SOP_OK ? line : json;
}

void cli_print_json_raw(FILE *out, sop_slice json)
{
    sop_json_writer scratch;
    sop_json_writer_init(&scratch, 0);
    sop_slice line = cli_one_line(&scratch, json);
    (void)fwrite(line.data, 1, line.size, out);
    sop_json_writer_deinit(&scratch);
}

void cli_print_value_json(FILE *out, sop_slice value, int is_json)
{
    if (is_json && sop_json_check(value, NULL, NULL, NULL) == SOP_OK) {
        cli_print_json_raw(out, value);
    } else {
        cli_print_json(out, value);
    }
}

/* ---- command lines ---- */

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

/* ---- figures ---- */

static void figure_json(const cli_figure *figure)
{
    (void)printf("\"%s\":", figure->name);
    switch (figure->kind) {
    case CLI_TEXT:
        cli_print_json(stdout, figure->text);
        break;
    case CLI_JSON:
        cli_print_json_raw(stdout, figure->text);
        break;
    case CLI_FLAG:
        (void)printf(figure->number ? "true" : "false");
        break;
    case CLI_NUMBER:
    case CLI_BYTES:
    default:
        (void)printf("%llu", (unsigned long long)figure->number);
        break;
    }
}

static void figure_text(const cli_figure *figure)
{
    char number[32];
    switch (figure->kind) {
    case CLI_TEXT:
    case CLI_JSON:
        cli_print_text(stdout, figure->text, CLI_SHOW_VALUE);
        break;
    case CLI_FLAG:
        (void)printf(figure->number ? "yes" : "no");
        break;
    case CLI_BYTES:
        (void)printf("%s", cli_bytes(figure->number, number));
        break;
    case CLI_NUMBER:
    default:
        (void)printf("%s", cli_thousands(figure->number, number));
        break;
    }
}

void cli_figures_print(const cli_args *args, const cli_figure *figures, size_t count)
{
    size_t width = 0;
    int first = 1;
    for (size_t i = 0; i < count; i++) {
        if (figures[i].label != NULL && strlen(figures[i].label) > width) {
            width = strlen(figures[i].label);
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (args->json && figures[i].name != NULL) {
            (void)fputc(first ? '{' : ',', stdout);
            first = 0;
            figure_json(&figures[i]);
        } else if (!args->json && figures[i].label != NULL) {
            (void)printf("%-*s  ", (int)width, figures[i].label);
            figure_text(&figures[i]);
            (void)fputc('\n', stdout);
        }
    }
    if (args->json) (void)fputs("}\n", stdout);
}
