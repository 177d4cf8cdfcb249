/* SPDX-License-Identifier: MIT */
/* The file of users and tokens: {"users":[{"name","role","password"}],"tokens":[{"name","role","hash"}]}. */
#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>

#include "server/server_file.h"
#include "server/server_private.h"
#include "util/bytes.h"
#include "util/error.h"
#include "util/memory.h"

enum { USERS_MAX = 1000, TOKEN_BYTES = 32, HASH_TEXT = 2 * crypto_generichash_BYTES + 1 };

typedef struct {
    char name[SERVER_USER_MAX + 1];
    server_role role;
    char secret[crypto_pwhash_STRBYTES]; /* argon2id of a password; hex hash of a token */
} entry;

struct server_users {
    entry *users;
    size_t user_count;
    entry *tokens;
    size_t token_count;
};

static sop_status entry_read(
    const sop_json_value *wire, const char *member, sop_arena *arena, entry *out, sop_error *err)
{
    sop_slice name;
    sop_slice role;
    sop_slice secret;
    if (server_member_text(wire, "name", arena, &name) != SOP_OK ||
        server_member_text(wire, "role", arena, &role) != SOP_OK ||
        server_member_text(wire, member, arena, &secret) != SOP_OK || name.size == 0 ||
        name.size > SERVER_USER_MAX || !server_is_plain(name) ||
        secret.size >= sizeof out->secret || server_role_read(role) == SERVER_NOBODY) {
        return sop_fail(err, SOP_INVALID, "users: every entry needs name, role and %s", member);
    }
    *out = (entry){.role = server_role_read(role)};
    memcpy(out->name, name.data, name.size);
    memcpy(out->secret, secret.data, secret.size);
    return SOP_OK;
}

static sop_status list_read(const sop_json_value *file,
                            const char *name,
                            const char *member,
                            entry **list_out,
                            size_t *count_out,
                            sop_error *err)
{
    sop_json_value list;
    sop_json_value wire;
    sop_json_iter iter;
    sop_slice key;
    sop_arena arena = {0};
    sop_status status = SOP_OK;
    *count_out = 0;
    *list_out = sop_alloc_array(USERS_MAX, sizeof **list_out);
    if (*list_out == NULL) return sop_fail(err, SOP_NO_MEMORY, "users: out of memory");
    if (server_member(file, name, &list) != SOP_OK) return SOP_OK;
    sop_json_iter_init(&iter, &list);
    while (status == SOP_OK && sop_json_next(&iter, &key, &wire) == SOP_OK) {
        if (*count_out == USERS_MAX) {
            status = sop_fail(err, SOP_TOO_LARGE, "users: more than %d %s", USERS_MAX, name);
        } else {
            status = entry_read(&wire, member, &arena, &(*list_out)[*count_out], err);
            if (status == SOP_OK) ++*count_out;
        }
    }
    sop_arena_deinit(&arena);
    return status;
}

sop_status server_users_load(const char *path, server_users **users_out, sop_error *err)
{
    sop_arena arena = {0};
    sop_json_value file;
    *users_out = NULL;
    if (path == NULL) return SOP_OK;
    sop_status status = server_file_json(path, &arena, &file, err);
    server_users *users = status == SOP_OK ? sop_alloc_zeroed(sizeof *users) : NULL;
    if (status == SOP_OK && users == NULL) {
        status = sop_fail(err, SOP_NO_MEMORY, "users: out of memory");
    }
    if (status == SOP_OK) {
        status = list_read(&file, "users", "password", &users->users, &users->user_count, err);
    }
    if (status == SOP_OK) {
        status = list_read(&file, "tokens", "hash", &users->tokens, &users->token_count, err);
    }
    sop_arena_deinit(&arena);
    if (status == SOP_OK && users->user_count + users->token_count == 0) {
        status = sop_fail(err, SOP_INVALID, "users file %.150s: it names nobody", path);
    }
    if (status != SOP_OK) {
        server_users_free(users);
        return status;
    }
    *users_out = users;
    return SOP_OK;
}

void server_users_free(server_users *users)
{
    if (users == NULL) return;
    sop_free(users->users);
    sop_free(users->tokens);
    sop_free(users);
}

static const entry *find(const entry *list, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].name, name) == 0) return &list[i];
    }
    return NULL;
}

server_role server_users_login(const server_users *users, const char *name, const char *password)
{
    const entry *user = find(users->users, users->user_count, name);
    /* The same work for a name that is not there, so that names cannot be found out by the clock. */
    static const char nobody[crypto_pwhash_STRBYTES] =
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHRzb21lc2FsdA"
        "$pWbb1S1NGFzGjd3nJ0gVEHEqQ8yQGrGFqzrHVlDCJVo";
    const char *secret = user != NULL ? user->secret : nobody;
    int right = crypto_pwhash_str_verify(secret, password, strlen(password)) == 0;
    return user != NULL && right ? user->role : SERVER_NOBODY;
}

server_role server_users_role(const server_users *users, const char *name)
{
    const entry *user = find(users->users, users->user_count, name);
    return user == NULL ? SERVER_NOBODY : user->role;
}

/* Tokens are long and random: one fast hash is enough to keep them secret in the file. */
static void token_hash(sop_slice token, char out[HASH_TEXT])
{
    uint8_t hash[crypto_generichash_BYTES];
    (void)crypto_generichash(hash, sizeof hash, token.data, token.size, NULL, 0);
    (void)sodium_bin2hex(out, HASH_TEXT, hash, sizeof hash);
}

server_role
server_users_bearer(const server_users *users, sop_slice token, char name[SERVER_USER_MAX + 1])
{
    char hash[HASH_TEXT];
    token_hash(token, hash);
    for (size_t i = 0; i < users->token_count; i++) {
        const entry *t = &users->tokens[i];
        if (strlen(t->secret) == HASH_TEXT - 1 &&
            sodium_memcmp(t->secret, hash, HASH_TEXT - 1) == 0) {
            memcpy(name, t->name, sizeof t->name);
            return t->role;
        }
    }
    return SERVER_NOBODY;
}

/* ---- changing the file ---- */

static void entries_write(
    sop_json_writer *out, const char *list, const char *member, const entry *entries, size_t count)
{
    sop_json_key(out, sop_str(list));
    sop_json_array_begin(out);
    for (size_t i = 0; i < count; i++) {
        sop_json_object_begin(out);
        sop_json_key(out, sop_str("name"));
        sop_json_string(out, sop_str(entries[i].name));
        sop_json_key(out, sop_str("role"));
        sop_json_string(out, sop_str(server_role_name(entries[i].role)));
        sop_json_key(out, sop_str(member));
        sop_json_string(out, sop_str(entries[i].secret));
        sop_json_object_end(out);
    }
    sop_json_array_end(out);
}

static sop_status users_save(const char *path, const server_users *users, sop_error *err)
{
    sop_json_writer out;
    sop_slice text;
    sop_json_writer_init(&out, 2);
    sop_json_object_begin(&out);
    entries_write(&out, "users", "password", users->users, users->user_count);
    entries_write(&out, "tokens", "hash", users->tokens, users->token_count);
    sop_json_object_end(&out);
    sop_status status = sop_json_writer_end(&out, &text);
    if (status == SOP_OK) status = server_file_write(path, text, err);
    sop_json_writer_deinit(&out);
    return status;
}

/* An absent file is a file of nobody. */
static sop_status users_edit(const char *path, server_users **out, sop_error *err)
{
    sop_status status = server_users_load(path, out, err);
    if (status == SOP_OK && *out != NULL) return SOP_OK;
    if (status != SOP_OK && status != SOP_NOT_FOUND) return status;
    *out = sop_alloc_zeroed(sizeof **out);
    if (*out == NULL) return sop_fail(err, SOP_NO_MEMORY, "users: out of memory");
    (*out)->users = sop_alloc_array(USERS_MAX, sizeof(entry));
    (*out)->tokens = sop_alloc_array(USERS_MAX, sizeof(entry));
    if ((*out)->users != NULL && (*out)->tokens != NULL) return SOP_OK;
    server_users_free(*out);
    *out = NULL;
    return sop_fail(err, SOP_NO_MEMORY, "users: out of memory");
}

static sop_status entry_put(
    entry *list, size_t *count, const char *name, const char *role, entry **out, sop_error *err)
{
    server_role is = server_role_read(sop_str(role));
    size_t size = strlen(name);
    if (size == 0 || size > SERVER_USER_MAX || !server_is_plain(sop_str(name))) {
        return sop_fail(err, SOP_INVALID, "user name: 1 to %d bytes of text", SERVER_USER_MAX);
    }
    if (is == SERVER_NOBODY) {
        return sop_fail(err, SOP_INVALID, "role %.20s: viewer, editor or admin is wanted", role);
    }
    entry *at = list;
    while (at < list + *count && strcmp(at->name, name) != 0) {
        at++;
    }
    if (at == list + *count && ++*count > USERS_MAX) {
        return sop_fail(err, SOP_TOO_LARGE, "users: more than %d", USERS_MAX);
    }
    *at = (entry){.role = is};
    memcpy(at->name, name, size);
    *out = at;
    return SOP_OK;
}

sop_status server_user_set(
    const char *path, const char *name, const char *role, const char *password, sop_error *err)
{
    server_users *users = NULL;
    entry *user;
    if (sodium_init() < 0) return sop_fail(err, SOP_UNSUPPORTED, "libsodium cannot start");
    sop_status status = users_edit(path, &users, err);
    if (status == SOP_OK) {
        status = entry_put(users->users, &users->user_count, name, role, &user, err);
    }
    if (status == SOP_OK && crypto_pwhash_str_alg(user->secret, password, strlen(password),
                                                  crypto_pwhash_OPSLIMIT_INTERACTIVE,
                                                  crypto_pwhash_MEMLIMIT_INTERACTIVE,
                                                  crypto_pwhash_ALG_ARGON2ID13) != 0) {
        status = sop_fail(err, SOP_NO_MEMORY, "password of %.60s: out of memory", name);
    }
    if (status == SOP_OK) status = users_save(path, users, err);
    server_users_free(users);
    return status;
}

sop_status server_token_add(
    const char *path, const char *name, const char *role, char token_out[64], sop_error *err)
{
    server_users *users = NULL;
    entry *token;
    uint8_t bytes[TOKEN_BYTES];
    if (sodium_init() < 0) return sop_fail(err, SOP_UNSUPPORTED, "libsodium cannot start");
    sop_status status = users_edit(path, &users, err);
    if (status == SOP_OK) {
        status = entry_put(users->tokens, &users->token_count, name, role, &token, err);
    }
    if (status == SOP_OK) {
        randombytes_buf(bytes, sizeof bytes);
        server_base64_write(sop_slice_of(bytes, sizeof bytes), token_out);
        token_out[server_base64_size(sizeof bytes)] = '\0';
        token_hash(sop_str(token_out), token->secret);
        status = users_save(path, users, err);
    }
    server_users_free(users);
    return status;
}
