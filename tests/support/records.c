/* SPDX-License-Identifier: MIT */
/* Package records, read or made. */
#include "support/records.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "support/support.h"

static void refuse(const char *what)
{
    (void)fprintf(stderr, "records: %s\n", what);
    abort();
}

static int by_key(const void *a, const void *b)
{
    const sop_test_record *x = a;
    const sop_test_record *y = b;
    size_t common = x->key.size < y->key.size ? x->key.size : y->key.size;
    int order = memcmp(x->key.data, y->key.data, common);
    return order != 0 ? order : (x->key.size > y->key.size) - (x->key.size < y->key.size);
}

/* Every line of text is {"package":"KEY",...}. */
static void split(sop_test_records *records)
{
    static const char head[] = "{\"package\":\"";
    size_t lines = 0;
    for (size_t i = 0; i < records->size; i++) {
        lines += records->text[i] == '\n';
    }
    records->rows = calloc(lines == 0 ? 1 : lines, sizeof *records->rows);
    if (records->rows == NULL) refuse("out of memory");
    const char *end = records->text + records->size;
    for (const char *line = records->text; line < end;) {
        const char *stop = memchr(line, '\n', (size_t)(end - line));
        if (stop == NULL || strncmp(line, head, sizeof head - 1) != 0) refuse("not a record");
        const char *key = line + sizeof head - 1;
        const char *quote = memchr(key, '"', (size_t)(stop - key));
        if (quote == NULL) refuse("a key without an end");
        records->rows[records->count++] =
            (sop_test_record){{key, (size_t)(quote - key)}, {line, (size_t)(stop - line)}};
        line = stop + 1;
    }
    qsort(records->rows, records->count, sizeof *records->rows, by_key);
    for (size_t i = 1; i < records->count; i++) {
        if (by_key(&records->rows[i - 1], &records->rows[i]) >= 0)
            refuse("a key that is there twice");
    }
}

int sop_test_records_read(sop_test_records *records)
{
    char path[512];
    char command[600];
    const char *folder = getenv("SOP_TESTDATA");
    *records = (sop_test_records){0};
    (void)snprintf(path, sizeof path, "%s/debian-packages.ndjson.zst",
                   folder == NULL ? SOP_SOURCE_DIR "/../shared/testdata" : folder);
    if (access(path, R_OK) != 0) return 0;
    (void)snprintf(command, sizeof command, "zstd -dqc '%s'", path);
    FILE *pipe = popen(command, "r");
    if (pipe == NULL) refuse("zstd cannot be started");
    size_t capacity = 64u << 20;
    records->text = malloc(capacity);
    if (records->text == NULL) refuse("out of memory");
    records->size = fread(records->text, 1, capacity, pipe);
    if (pclose(pipe) != 0 || records->size == 0 || records->size == capacity) refuse(path);
    split(records);
    return 1;
}

/* About one value in eight lies apart from its key (above 2 KiB). */
static size_t made_write(char *to, size_t number, uint64_t *random)
{
    static const char *const sections[] = {"games", "libs", "doc", "science", "math"};
    size_t size = (size_t)(sop_test_random(random) % 300);
    if (sop_test_random(random) % 8 == 0) size += 2500;
    int head = sprintf(
        to, "{\"package\":\"%s-%llx%s\",\"section\":\"%s\",\"size\":%llu,\"summary\":\"",
        number % 3 == 0 ? "lib" : "python3", (unsigned long long)(number * 0x9e3779b9u % 1000003u),
        number % 5 == 0 ? "-dev" : "", sections[number % 5],
        (unsigned long long)sop_test_random(random));
    memset(to + head, 'a' + (int)(number % 26), size);
    (void)memcpy(to + (size_t)head + size, "\"}\n", 3);
    return (size_t)head + size + 3;
}

void sop_test_records_make(sop_test_records *records, size_t count)
{
    uint64_t random = 42;
    *records = (sop_test_records){.text = malloc(count * 3000 + 1)};
    if (records->text == NULL) refuse("out of memory");
    for (size_t i = 0; i < count; i++) {
        records->size += made_write(records->text + records->size, i, &random);
    }
    split(records);
}

void sop_test_records_free(sop_test_records *records)
{
    free(records->rows);
    free(records->text);
    *records = (sop_test_records){0};
}
