/* SPDX-License-Identifier: MIT */
/* What processes on one host share beside the data: byte locks and a page of memory. */
#define _GNU_SOURCE       1 /* F_OFD_SETLK, fallocate */
#define _FILE_OFFSET_BITS 64
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "backend/backend_file.h"
#include "util/bytes.h"
#include "util/error.h"

/* Locks belong to the open file description, hence to the backend object: two of them in one
   process exclude each other too, and closing another descriptor of the file frees nothing (as
   POSIX locks would). */
static struct flock lock_of(uint64_t byte, short type)
{
    struct flock lock = {0};
    lock.l_type = type;
    lock.l_whence = SEEK_SET;
    lock.l_start = (off_t)byte;
    lock.l_len = 1;
    return lock;
}

/* ---- fork ---- */

static sop_mutex forks_mutex;
static file_backend *forks_list; /* guarded by forks_mutex; the child of a fork has it alone */
static _Atomic uint32_t forks;
static int forks_ready; /* guarded by forks_mutex */

static void forks_before(void) SOP_NO_ANALYSIS
{
    sop_mutex_lock(&forks_mutex);
}

static void forks_parent(void) SOP_NO_ANALYSIS
{
    sop_mutex_unlock(&forks_mutex);
}

/* The child has the same open file descriptions: unless it closes them the parent's locks would outlive the parent. */
static void forks_child(void) SOP_NO_ANALYSIS
{
    for (file_backend *backend = forks_list; backend != NULL; backend = backend->fork_next) {
        /* Relaxed: there is one thread. */
        int fd = atomic_exchange_explicit(&backend->lock_fd, -1, memory_order_relaxed);
        if (fd >= 0) (void)close(fd);
    }
    atomic_fetch_add_explicit(&forks, 1, memory_order_relaxed);
    sop_mutex_unlock(&forks_mutex);
}

uint32_t sop_backend_forks(void)
{
    /* Relaxed: it changes only while a process has one thread. */
    return atomic_load_explicit(&forks, memory_order_relaxed);
}

void sop_backend__file_forks_watch(file_backend *backend)
{
    sop_mutex_lock(&forks_mutex);
    if (!forks_ready) forks_ready = pthread_atfork(forks_before, forks_parent, forks_child) == 0;
    backend->fork_next = forks_list;
    forks_list = backend;
    sop_mutex_unlock(&forks_mutex);
}

void sop_backend__file_forks_forget(file_backend *backend)
{
    sop_mutex_lock(&forks_mutex);
    file_backend **link = &forks_list;
    while (*link != NULL && *link != backend) {
        link = &(*link)->fork_next;
    }
    if (*link != NULL) *link = backend->fork_next;
    sop_mutex_unlock(&forks_mutex);
}

/* The descriptor of the lock file, -1 and errno when there is none. */
static int lock_fd_get(file_backend *backend)
{
    sop_mutex_lock(&backend->mutex);
    /* Relaxed: the mutex orders it. */
    int fd = atomic_load_explicit(&backend->lock_fd, memory_order_relaxed);
    if (fd < 0) {
        int flags = backend->base.read_only ? O_RDONLY : O_RDWR | O_CREAT;
        fd = openat(backend->folders[SOP_FOLDER_ROOT], "lock",
                    flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
        atomic_store_explicit(&backend->lock_fd, fd, memory_order_relaxed);
    }
    sop_mutex_unlock(&backend->mutex);
    return fd;
}

sop_status sop_backend__file_lock(
    sop_backend *base, uint64_t byte, int exclusive, uint32_t wait_ms, sop_error *err)
{
    file_backend *backend = (file_backend *)base;
    if (base->read_only) return sop_backend__fail_read_only(base, "a lock", err);
    if (byte > INT64_MAX - 1) {
        return sop_fail(err, SOP_INVALID, "lock byte %" PRIu64 " is too large", byte);
    }
    int fd = lock_fd_get(backend);
    if (fd < 0) return sop_fail_errno(err, errno, 1, "%s/lock", backend->path);
    uint64_t deadline_ns = wait_ms == 0 ? 0 : sop_backend__deadline(wait_ms);
    for (unsigned round = 0;; round++) {
        struct flock lock = lock_of(byte, exclusive ? F_WRLCK : F_RDLCK);
        if (fcntl(fd, F_OFD_SETLK, &lock) == 0) return SOP_OK;
        if (errno == EINTR) continue;
        if (errno != EAGAIN && errno != EACCES) {
            return sop_fail_errno(err, errno, 1, "%s/lock: locking byte %" PRIu64, backend->path,
                                  byte);
        }
        if (wait_ms == 0 || !sop_backend__retry_wait(deadline_ns, round)) {
            return sop_backend__fail_busy(base, byte, wait_ms, err);
        }
    }
}

void sop_backend__file_unlock(sop_backend *base, uint64_t byte)
{
    file_backend *backend = (file_backend *)base;
    if (base->read_only || byte > INT64_MAX - 1) return;
    int fd = lock_fd_get(backend);
    struct flock lock = lock_of(byte, F_UNLCK);
    int result;
    do {
        result = fd < 0 ? 0 : fcntl(fd, F_OFD_SETLK, &lock);
    } while (result != 0 && errno == EINTR);
}

int sop_backend__file_lock_held(sop_backend *base, uint64_t byte)
{
    if (byte > INT64_MAX - 1) return 0;
    int fd = lock_fd_get((file_backend *)base);
    struct flock lock = lock_of(byte, F_WRLCK);
    if (fd < 0 || fcntl(fd, F_OFD_GETLK, &lock) != 0) return 0;
    return lock.l_type != F_UNLCK;
}

/* The file gets its blocks now: a store into a hole on a full disk would be a signal. Never
 * shrinks, so processes may race. */
static int page_file_grow(int fd, uint64_t size)
{
    struct stat info = {0};
    if (fstat(fd, &info) != 0) return -1;
    if ((uint64_t)info.st_size >= size) return 0;
    int result;
    do {
        result = fallocate(fd, 0, 0, (off_t)size);
    } while (result != 0 && errno == EINTR);
    if (result == 0 || errno != EOPNOTSUPP) return result;
    /* One byte beyond the page, so that nothing another process has stored in it is touched. */
    return pwrite(fd, "", 1, (off_t)size) == 1 ? 0 : -1;
}

static sop_status page_map(file_backend *backend, uint64_t size, sop_error *err)
{
    int fd = openat(backend->folders[SOP_FOLDER_ROOT], "shm",
                    O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0666);
    if (fd < 0) return sop_fail_errno(err, errno, 1, "%s/shm", backend->path);
    void *page = MAP_FAILED;
    struct stat info = {0};
    if (page_file_grow(fd, size) == 0 && fstat(fd, &info) == 0) {
        page = mmap(NULL, (size_t)size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    }
    int number = errno;
    (void)close(fd);
    if (page == MAP_FAILED) {
        return sop_fail_errno(err, number, 1, "%s/shm: %" PRIu64 " bytes", backend->path, size);
    }
    backend->page_device = info.st_dev;
    backend->page_inode = info.st_ino;
    backend->page = page;
    backend->page_size = (size_t)size;
    return SOP_OK;
}

int sop_backend__file_shared_page_linked(sop_backend *base)
{
    const file_backend *backend = (const file_backend *)base;
    struct stat info = {0};
    if (fstatat(backend->folders[SOP_FOLDER_ROOT], "shm", &info, AT_SYMLINK_NOFOLLOW) != 0) {
        return 0;
    }
    return info.st_dev == backend->page_device && info.st_ino == backend->page_inode;
}

sop_status sop_backend__file_shared_page(sop_backend *base, size_t size, void **out, sop_error *err)
{
    file_backend *backend = (file_backend *)base;
    *out = NULL;
    if (base->read_only) return sop_backend__fail_read_only(base, "a shared page", err);
    if (size == 0 || size > UINT32_MAX) {
        return sop_fail(err, SOP_INVALID, "shared page of %zu bytes", size);
    }
    sop_status status = SOP_OK;
    sop_mutex_lock(&backend->mutex);
    if (backend->page == NULL) {
        status = page_map(backend, sop_round_up(size, SOP_DIRECT_ALIGN), err);
    } else if (backend->page_size < size) {
        status = sop_fail(err, SOP_INVALID, "%s/shm: %zu bytes wanted, %zu mapped already",
                          backend->path, size, backend->page_size);
    }
    if (status == SOP_OK) *out = backend->page;
    sop_mutex_unlock(&backend->mutex);
    return status;
}
