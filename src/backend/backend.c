/* SPDX-License-Identifier: MIT */
/* What all backends share: names, exact reads, the pause between two tries of a lock. */
#include "backend/backend.h"

#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

#include "backend/backend_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/world.h"

static const char *const FOLDER_NAMES[SOP_FOLDER_COUNT] = {"", "log", "seg", "head"};

/* Pauses between two tries of a lock: 50 us, doubled each round up to 3.2 ms. */
enum { RETRY_FIRST_NS = 50000, RETRY_DOUBLINGS = 6 };

const char *sop_backend__folder_name(int folder)
{
    return FOLDER_NAMES[folder];
}

int sop_backend__folder_find(const char *name)
{
    for (int i = 0; i < SOP_FOLDER_COUNT; i++) {
        if (strcmp(FOLDER_NAMES[i], name) == 0) return i;
    }
    return SOP_INVALID;
}

static int leaf_byte_valid(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

int sop_backend__leaf_valid(const char *leaf)
{
    if (leaf[0] == '\0' || leaf[0] == '.') return 0;
    size_t size = 0;
    for (; leaf[size] != '\0'; size++) {
        if (size == SOP_NAME_SIZE_MAX || !leaf_byte_valid(leaf[size])) return 0;
    }
    return 1;
}

sop_status sop_backend__name_split(const sop_backend *backend,
                                   const char *name,
                                   int *folder_out,
                                   const char **leaf_out,
                                   sop_error *err)
{
    const char *slash = strchr(name, '/');
    *folder_out = SOP_FOLDER_ROOT;
    *leaf_out = name;
    if (slash != NULL) {
        size_t size = (size_t)(slash - name);
        int folder = SOP_FOLDER_LOG;
        while (folder < SOP_FOLDER_COUNT && (strlen(FOLDER_NAMES[folder]) != size ||
                                             memcmp(FOLDER_NAMES[folder], name, size) != 0)) {
            folder++;
        }
        if (folder == SOP_FOLDER_COUNT) goto refuse;
        *folder_out = folder;
        *leaf_out = slash + 1;
    } else if (sop_backend__folder_find(name) >= 0) {
        goto refuse;
    }
    if (sop_backend__leaf_valid(*leaf_out)) return SOP_OK;
refuse:
    return sop_fail(err, SOP_INVALID, "%s: \"%s\" is not the name of a file of a database",
                    backend->url, name);
}

sop_status sop_backend__range_end(
    const sop_file *file, uint64_t offset, uint64_t size, uint64_t *end_out, sop_error *err)
{
    if (!sop_checked_add(offset, size, end_out) && *end_out <= INT64_MAX) return SOP_OK;
    return sop_fail(err, SOP_TOO_LARGE,
                    "%s/%s: offset %" PRIu64 " and size %" PRIu64 " leave the range of a file",
                    file->backend->url, file->name, offset, size);
}

sop_status
sop_file_read_exact(sop_file *f, uint64_t offset, void *buffer, size_t size, sop_error *err)
{
    size_t got = 0;
    sop_status status = sop_file_read(f, offset, buffer, size, &got, err);
    if (status != SOP_OK || got == size) return status;
    return sop_fail(err, SOP_CORRUPT,
                    "%s/%s: file ends at offset %" PRIu64 ", %zu bytes wanted at offset %" PRIu64,
                    f->backend->url, f->name, offset + got, size, offset);
}

uint64_t sop_backend__deadline(uint32_t wait_ms)
{
    return sop_boot_ns() + (uint64_t)wait_ms * 1000000u;
}

int sop_backend__retry_wait(uint64_t deadline_ns, unsigned round)
{
    uint64_t now_ns = sop_boot_ns();
    if (now_ns >= deadline_ns) return 0;
    uint64_t sleep_ns = (uint64_t)RETRY_FIRST_NS
                        << (round < RETRY_DOUBLINGS ? round : RETRY_DOUBLINGS);
    if (sleep_ns > deadline_ns - now_ns) sleep_ns = deadline_ns - now_ns;
    /* Nobody wakes this word: the wait is the world's sleep, so it also works in the simulator. */
    _Atomic uint32_t nobody = 0;
    sop_wait(&nobody, 0, sleep_ns);
    return 1;
}

sop_status sop_backend__fail_read_only(const sop_backend *backend, const char *what, sop_error *err)
{
    return sop_fail(err, SOP_READ_ONLY, "%s is open read only: %s refused", backend->url, what);
}

sop_status
sop_backend__fail_busy(const sop_backend *backend, uint64_t byte, uint32_t wait_ms, sop_error *err)
{
    return sop_fail(err, SOP_BUSY,
                    "%s: lock %" PRIu64 " is held by another process or handle (waited %" PRIu32
                    " ms)",
                    backend->url, byte, wait_ms);
}

sop_status sop_backend__fail_memory(const sop_backend *backend, const char *what, sop_error *err)
{
    return sop_fail(err, SOP_NO_MEMORY, "%s: out of memory (%s)", backend->url, what);
}
