/* SPDX-License-Identifier: MIT */
/* Replays a corpus folder through a fuzz target, for compilers without libFuzzer. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz/fuzz.h"

#define PATH_SIZE 4096

static int replay_bytes(const char *path, const uint8_t *data, size_t size)
{
    /* An exact heap copy, so that the address sanitizer sees a read one byte too far. */
    uint8_t *copy = malloc(size == 0 ? 1 : size);
    if (copy == NULL) {
        fprintf(stderr, "%s: out of memory\n", path);
        return 1;
    }
    memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    return 0;
}

static int replay_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    if (file == NULL) {
        perror(path);
        return 1;
    }
    uint8_t *data = NULL;
    size_t size = 0;
    size_t got = 0;
    do {
        uint8_t *larger = realloc(data, size + 65536);
        if (larger == NULL) {
            fprintf(stderr, "%s: out of memory\n", path);
            free(data);
            (void)fclose(file);
            return 1;
        }
        data = larger;
        got = fread(data + size, 1, 65536, file);
        size += got;
    } while (got > 0);
    (void)fclose(file);
    int failed = replay_bytes(path, data, size);
    /* Every prefix of a small input too: truncation is the commonest damage. */
    for (size_t cut = 0; !failed && size <= 1024 && cut < size; cut++) {
        failed = replay_bytes(path, data, cut);
    }
    free(data);
    return failed;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: %s CORPUS_FOLDER\n", argv[0]);
        return 2;
    }
    DIR *folder = opendir(argv[1]);
    if (folder == NULL) {
        perror(argv[1]);
        return 1;
    }
    int count = 0;
    int failed = 0;
    for (struct dirent *entry = readdir(folder); entry != NULL; entry = readdir(folder)) {
        char path[PATH_SIZE];
        if (entry->d_name[0] == '.') continue;
        if (snprintf(path, sizeof(path), "%s/%s", argv[1], entry->d_name) >= PATH_SIZE) failed = 1;
        failed |= replay_file(path);
        count++;
    }
    (void)closedir(folder);
    printf("%d inputs replayed\n", count);
    return failed || count == 0;
}
