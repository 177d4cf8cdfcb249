/* SPDX-License-Identifier: MIT */
/* The way in and out of every operation on a simulated disk. */
#include <inttypes.h>

#include "backend/backend_faulty_disk.h"
#include "util/error.h"

sop_status sop_faulty__fail_asked(const sop_faulty_call *call, sop_status status, sop_error *err)
{
    return sop_fail(err, status,
                    "faulty/%s: %s of %" PRIu64 " bytes at %" PRIu64 " failed as the test asked",
                    call->name, sop_faulty_kind_name(call->kind), call->size, call->offset);
}

/* No analysis: the mutex stays held on success. */
SOP_NO_ANALYSIS sop_status sop_faulty__enter(faulty_backend *backend,
                                             sop_faulty_call *call,
                                             faulty_verdict *verdict,
                                             sop_error *err)
{
    sop_faulty_disk *disk = backend->disk;
    call->who = backend->who;
    if (disk->hook != NULL) {
        sop_status status = disk->hook(call, disk->hook_context);
        if (status != SOP_OK) return sop_faulty__fail_asked(call, status, err);
    }
    sop_mutex_lock(&disk->mutex);
    if (backend->dead) {
        sop_mutex_unlock(&disk->mutex);
        return sop_fail(err, SOP_IO, "faulty/%s: %s by process %" PRIu32 ", which was killed",
                        call->name, sop_faulty_kind_name(call->kind), call->who);
    }
    *verdict = sop_faulty__judge(disk, call);
    sop_status status = sop_faulty__trace_reserve(disk, 1);
    if (status == SOP_OK) return SOP_OK;
    sop_mutex_unlock(&disk->mutex);
    return sop_backend__fail_memory(&backend->base, "trace", err);
}

SOP_NO_ANALYSIS void sop_faulty__leave(faulty_backend *backend)
{
    sop_mutex_unlock(&backend->disk->mutex);
}

sop_status sop_faulty__enter_plain(faulty_backend *backend, sop_faulty_call call, sop_error *err)
{
    faulty_verdict verdict;
    sop_status status = sop_faulty__enter(backend, &call, &verdict, err);
    if (status != SOP_OK || verdict.status == SOP_OK) return status;
    sop_faulty__leave(backend);
    return sop_faulty__fail_asked(&call, verdict.status, err);
}

void sop_faulty__trace_plain(faulty_backend *backend, uint32_t kind, faulty_bytes *name)
{
    faulty_event event = {.who = backend->who, .kind = kind, .name = name};
    sop_faulty__trace_add(backend->disk, &event);
}

sop_status sop_faulty__refuse_writing(const sop_backend *base, const char *what, sop_error *err)
{
    return base->read_only ? sop_backend__fail_read_only(base, what, err) : SOP_OK;
}
