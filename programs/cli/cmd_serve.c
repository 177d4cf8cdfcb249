/* SPDX-License-Identifier: MIT */
/* serve: the Data Manager in the browser; user: who may sign in to it. */
#define _DEFAULT_SOURCE 1 /* isatty */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/cli.h"
#include "server/server.h"
#include "util/memory.h"

enum { PASSWORD_MAX = 1024, PORT_MAX = 65535 };

/* ---- options ---- */

/* The parts between separators, in a copy that the caller frees. */
static char *list_split(const char *text, char separator, const char **out, size_t *count)
{
    char *copy = text == NULL ? NULL : sop_strdup(text);
    char *at = copy;
    *count = 0;
    while (at != NULL && *count < SERVER_LIST_MAX) {
        char *end = strchr(at, separator);
        if (end != NULL) *end = '\0';
        if (*at != '\0') out[(*count)++] = at;
        at = end == NULL ? NULL : end + 1;
    }
    return copy;
}

static int numbers_read(const cli_args *args, server_options *options)
{
    uint64_t port;
    uint64_t body;
    uint64_t seconds;
    if (cli_number(args, "port", 0, &port) != 0 || cli_number(args, "body-max", 0, &body) != 0 ||
        cli_number(args, "receive-timeout", 0, &seconds) != 0) {
        return CLI_USAGE;
    }
    if (port > PORT_MAX) return cli_usage_error(args, "--port: at most %d", PORT_MAX);
    if (seconds > 3600) return cli_usage_error(args, "--receive-timeout: at most 3600 seconds");
    options->port = (uint16_t)port;
    options->body_max = body;
    options->receive_ms = (uint32_t)(seconds * 1000);
    return CLI_OK;
}

/* ---- the browser ---- */

/* Only where somebody sits in front of it. */
static int has_browser(const cli_args *args)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): nobody changes the environment */
    return !cli_flag(args, "no-browser") && !args->json && isatty(STDOUT_FILENO) &&
           (getenv("DISPLAY") != NULL || getenv("WAYLAND_DISPLAY") != NULL);
    /* NOLINTEND(concurrency-mt-unsafe) */
}

static void browser_open(const char *url)
{
    pid_t child = fork();
    if (child == 0) {
        sigset_t none;
        (void)sigemptyset(&none);
        (void)pthread_sigmask(SIG_SETMASK, &none, NULL);
        (void)close(STDERR_FILENO); /* its complaints are of no interest: the address is printed */
        (void)execlp("xdg-open", "xdg-open", url, (char *)NULL);
        _exit(127);
    }
}

/* ---- serve ---- */

static int announce(const cli_args *args, const server *running)
{
    const char *token = server_launch_token(running);
    const char *address = server_address(running);
    if (args->json) {
        (void)printf("{\"address\":\"%s\",\"token\":%s%s%s}\n", address, token == NULL ? "" : "\"",
                     token == NULL ? "null" : token, token == NULL ? "" : "\"");
    } else if (token == NULL) {
        (void)printf("SOP Data Manager: %s/\nStop it with Ctrl+C.\n", address);
    } else {
        (void)printf("SOP Data Manager: %s/#token=%s\n"
                     "The token in this address works once. Stop it with Ctrl+C.\n",
                     address, token);
    }
    if (fflush(stdout) != 0) return cli_error(args, "the address cannot be printed");
    if (has_browser(args)) {
        char url[512];
        int size = snprintf(url, sizeof url, "%s/%s%s", address,
                            token == NULL ? "" : "#token=", token == NULL ? "" : token);
        if (size > 0 && (size_t)size < sizeof url) browser_open(url);
    }
    return CLI_OK;
}

/* Waits for Ctrl+C or a request to end; children that ended are cleared away. */
static void wait_for_end(const sigset_t *signals)
{
    int number = 0;
    while (sigwait(signals, &number) == 0 && number == SIGCHLD) {
        while (waitpid(-1, NULL, WNOHANG) > 0) {
        }
    }
}

static int serve(const cli_args *args, const server_options *options)
{
    sigset_t signals;
    server *running;
    sop_error err = {0};
    struct sigaction ignore = {.sa_handler = SIG_IGN};
    (void)sigemptyset(&signals);
    (void)sigaddset(&signals, SIGINT);
    (void)sigaddset(&signals, SIGTERM);
    (void)sigaddset(&signals, SIGHUP);
    (void)sigaddset(&signals, SIGCHLD);
    (void)sigaction(SIGPIPE, &ignore, NULL);
    /* Before the first thread begins: all inherit it, and only sigwait takes these signals. */
    (void)pthread_sigmask(SIG_BLOCK, &signals, NULL);
    sop_status status = server_start(options, &running, &err);
    if (status != SOP_OK) return cli_fail(args, status, &err);
    int code = announce(args, running);
    if (code == CLI_OK) wait_for_end(&signals);
    server_stop(running);
    return code;
}

int cmd_serve(const cli_args *args)
{
    server_options options = {0};
    int code = numbers_read(args, &options);
    if (code != CLI_OK) return code;
    for (int i = 0; i < args->count && i < SERVER_LIST_MAX; i++) {
        options.places[options.place_count++] = args->positional[i];
    }
    char *roots = list_split(cli_value(args, "root"), ':', options.roots, &options.root_count);
    char *hosts = list_split(cli_value(args, "host"), ',', options.hosts, &options.host_count);
    options.registry = cli_value(args, "registry");
    options.users = cli_value(args, "users");
    options.listen = cli_value(args, "listen");
    options.tls_certificate = cli_value(args, "tls-cert");
    options.tls_key = cli_value(args, "tls-key");
    options.page_path = cli_value(args, "page");
    options.insecure = cli_flag(args, "insecure");
    options.read_only = cli_flag(args, "read-only");
    code = serve(args, &options);
    sop_free(roots);
    sop_free(hosts);
    return code;
}

/* ---- user ---- */

int cmd_user(const cli_args *args)
{
    const char *path = args->positional[0];
    const char *name = args->positional[1];
    const char *role = cli_value(args, "role");
    char secret[PASSWORD_MAX];
    sop_error err = {0};
    if (role == NULL) role = "viewer";
    if (cli_flag(args, "token")) {
        sop_status status = server_token_add(path, name, role, secret, &err);
        if (status != SOP_OK) return cli_fail(args, status, &err);
        (void)printf("%s\n", secret);
        return CLI_OK;
    }
    if (isatty(STDIN_FILENO)) (void)fprintf(stderr, "password of %s: ", name);
    if (fgets(secret, sizeof secret, stdin) == NULL) {
        return cli_error(args, "no password was given");
    }
    secret[strcspn(secret, "\n")] = '\0';
    if (strlen(secret) < 8) return cli_error(args, "a password has 8 characters or more");
    sop_status status = server_user_set(path, name, role, secret, &err);
    return status == SOP_OK ? CLI_OK : cli_fail(args, status, &err);
}
