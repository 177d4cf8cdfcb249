/* SPDX-License-Identifier: MIT */
/* Which file systems are local: the ones whose locks, shared maps and renames hold for all
 * processes that can see them. */
#define _GNU_SOURCE       1
#define _FILE_OFFSET_BITS 64 /* fstatfs of large file systems on 32-bit machines */
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <sys/vfs.h>

#include "backend/backend_file.h"
#include "util/error.h"

typedef struct {
    uint32_t type;
    int class;
    const char *name;
} fs_entry;

/* Numbers from statfs(2) and linux/magic.h. */
static const fs_entry FS_TABLE[] = {
    {0x0000ef53, SOP_FS_LOCAL, "ext4"},      {0x58465342, SOP_FS_LOCAL, "xfs"},
    {0x9123683e, SOP_FS_LOCAL, "btrfs"},     {0xf2f52010, SOP_FS_LOCAL, "f2fs"},
    {0x2fc12fc1, SOP_FS_LOCAL, "zfs"},       {0x01021994, SOP_FS_LOCAL, "tmpfs"},
    {0x794c7630, SOP_FS_LOCAL, "overlayfs"}, {0x00006969, SOP_FS_NETWORK, "nfs"},
    {0x0000517b, SOP_FS_NETWORK, "smb"},     {0xff534d42, SOP_FS_NETWORK, "cifs"},
    {0xfe534d42, SOP_FS_NETWORK, "smb2"},    {0x00c36400, SOP_FS_NETWORK, "ceph"},
    {0x0bd00bd0, SOP_FS_NETWORK, "lustre"},  {0x01021997, SOP_FS_NETWORK, "9p"},
    {0x5346414f, SOP_FS_NETWORK, "afs"},     {0x6b414653, SOP_FS_NETWORK, "kafs"},
    {0x73757245, SOP_FS_NETWORK, "coda"},    {0x01161970, SOP_FS_NETWORK, "gfs2"},
    {0x7461636f, SOP_FS_NETWORK, "ocfs2"},   {0x47504653, SOP_FS_NETWORK, "gpfs"},
    {0x786f4256, SOP_FS_NETWORK, "vboxsf"},  {0x65735546, SOP_FS_UNKNOWN, "fuse"},
    {0x00004d44, SOP_FS_UNKNOWN, "vfat"},    {0x2011bab0, SOP_FS_UNKNOWN, "exfat"},
    {0x5346544e, SOP_FS_UNKNOWN, "ntfs"},    {0x7366746e, SOP_FS_UNKNOWN, "ntfs3"},
    {0x858458f6, SOP_FS_UNKNOWN, "ramfs"},   {0x73717368, SOP_FS_UNKNOWN, "squashfs"},
    {0xca451a4e, SOP_FS_UNKNOWN, "bcachefs"}};

int sop_backend__fs_class(uint32_t f_type, const char **name_out)
{
    for (size_t i = 0; i < sizeof FS_TABLE / sizeof FS_TABLE[0]; i++) {
        if (FS_TABLE[i].type != f_type) continue;
        *name_out = FS_TABLE[i].name;
        return FS_TABLE[i].class;
    }
    *name_out = "unknown";
    return SOP_FS_UNKNOWN;
}

sop_status
sop_backend__fs_judge(uint32_t f_type, const char *path, int local_allowed, sop_error *err)
{
    const char *name = NULL;
    int class = sop_backend__fs_class(f_type, &name);
    if (class == SOP_FS_LOCAL || local_allowed) return SOP_OK;
    if (class == SOP_FS_NETWORK) {
        return sop_fail(err, SOP_UNSUPPORTED,
                        "%s lies on a network file system (%s, type 0x%" PRIx32
                        "): put the database on a local disk",
                        path, name, f_type);
    }
    return sop_fail(err, SOP_UNSUPPORTED,
                    "%s lies on a file system not known to be local (%s, type 0x%" PRIx32
                    "): if it is a local disk, say so with local=yes",
                    path, name, f_type);
}

sop_status sop_backend__fs_check(int folder_fd, const char *path, int local_allowed, sop_error *err)
{
    struct statfs info = {0};
    int result;
    do {
        result = fstatfs(folder_fd, &info);
    } while (result != 0 && errno == EINTR);
    if (result != 0) {
        return sop_fail_errno(err, errno, 0, "%s: the type of the file system is not known", path);
    }
    return sop_backend__fs_judge((uint32_t)info.f_type, path, local_allowed, err);
}
