/* SPDX-License-Identifier: MIT */
/* Status names, texts and error messages. */
#include "util/error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "util/assert.h"

#undef sop_fail
#undef sop_fail_errno

typedef struct {
    const char *name;
    const char *text;
} status_entry;

#define STATUS_ENTRY(name, number, text) [-(number)] = {"SOP_" #name, text},
static const status_entry STATUS_TABLE[SOP_STATUS_COUNT] = {SOP_STATUS_MAP(STATUS_ENTRY)};

static const status_entry *status_find(sop_status status)
{
    static const status_entry unknown = {"SOP_STATUS_UNKNOWN", "unknown status"};
    if (status > 0 || status <= -SOP_STATUS_COUNT) return &unknown;
    return &STATUS_TABLE[-status];
}

const char *sop_status_name(sop_status status)
{
    return status_find(status)->name;
}

const char *sop_status_text(sop_status status)
{
    return status_find(status)->text;
}

sop_slice sop_str(const char *s)
{
    sop_slice slice = {s, s == NULL ? 0 : strlen(s)};
    return slice;
}

#define TEXT_OF(x)   TEXT_OF_2(x)
#define TEXT_OF_2(x) #x

const char *sop_version(void)
{
    return TEXT_OF(SOP_VERSION_MAJOR) "." TEXT_OF(SOP_VERSION_MINOR) "." TEXT_OF(SOP_VERSION_PATCH);
}

sop_status sop_fail(sop_error *err, sop_status status, const char *format, ...)
{
    if (err == NULL) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    (void)vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    return status;
}

static sop_status status_of_errno(int number, int writing)
{
    switch (number) {
    case ENOSPC:
    case EDQUOT:
        return SOP_FULL;
    case EFBIG:
        return SOP_TOO_LARGE;
    case ENOMEM:
        return SOP_NO_MEMORY;
    case ENOENT:
        return SOP_NOT_FOUND;
    case EEXIST:
        return SOP_EXISTS;
    case EROFS:
    case EACCES:
    case EPERM:
        return writing ? SOP_READ_ONLY : SOP_IO;
    default:
        return SOP_IO;
    }
}

sop_status sop_fail_errno(sop_error *err, int number, int writing, const char *format, ...)
{
    sop_status status = status_of_errno(number, writing);
    if (err == NULL) return status;
    err->status = status;
    va_list args;
    va_start(args, format);
    int used = vsnprintf(err->message, sizeof err->message, format, args);
    va_end(args);
    if (used < 0 || (size_t)used >= sizeof err->message - 3) return status;
    char text[96] = "";
    if (strerror_r(number, text, sizeof text) != 0) {
        (void)snprintf(text, sizeof text, "error %d", number);
    }
    (void)snprintf(err->message + used, sizeof err->message - (size_t)used, ": %s", text);
    return status;
}

void sop_assert_failed(const char *file, int line, const char *condition)
{
    (void)fprintf(stderr, "sop: assertion failed at %s:%d: %s\n", file, line, condition);
    abort();
}
