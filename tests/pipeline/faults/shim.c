/* Fault injection under the C library's calls that change a disk. Loaded by LD_PRELOAD.

   Every call on a path below a chosen root is counted, under whatever name a library calls it:
   Python's own write(2), numpy's fwrite(3), shutil's unlinkat(2). The chosen one kills the
   process (a write when half of it is done), or fails: once with EIO, or it and all that follow
   that could need disk with ENOSPC. Stores to mapped files are no calls and are not counted. */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdio_ext.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

enum mode { COUNT = 1, KILL, FULL, BAD }; /* 0: off; the same numbers as in shim.py */
enum verdict { GO, HALF, FAIL };

static volatile int mode;
static long target;
static atomic_long seen;
static char root[PATH_MAX];
static size_t root_length;
static int log_fd = -1;

void fault_arm(const char *folder, int new_mode, long number, int log) {
    snprintf(root, sizeof root, "%s", folder);
    root_length = strlen(root);
    target = number;
    log_fd = log;
    atomic_store(&seen, 0);
    mode = new_mode;
}

long fault_disarm(void) {
    mode = 0;
    return atomic_load(&seen);
}

static void die(void) { syscall(SYS_kill, getpid(), SIGKILL); }

static int below_root(const char *path) {
    return strncmp(path, root, root_length) == 0 && path[root_length] == '/';
}

static void fd_path(int fd, char *path) {
    char link[64];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t length = readlink(link, path, PATH_MAX - 1);
    path[length < 0 ? 0 : length] = 0;
}

static void full_path(int folder, const char *name, char *path) {
    if (name[0] == '/') {
        snprintf(path, PATH_MAX, "%s", name);
        return;
    }
    char base[PATH_MAX];
    if (folder == AT_FDCWD) {
        if (getcwd(base, sizeof base) == NULL) base[0] = 0;
    } else {
        fd_path(folder, base);
    }
    if (snprintf(path, PATH_MAX, "%s/%s", base, name) >= PATH_MAX) path[0] = 0;
}

/* Count one operation and say what becomes of it; errno is set where it is to fail. */
static enum verdict step(const char *kind, const char *path, const char *other, int needs_disk) {
    if (!below_root(path)) return GO;
    int before = errno;
    long number = atomic_fetch_add(&seen, 1) + 1;
    if (log_fd >= 0) {
        char line[2 * PATH_MAX + 32];
        int length = snprintf(line, sizeof line, "%s\t%s\t%s\n", kind, path, other);
        syscall(SYS_write, log_fd, line, (size_t)length);
    }
    errno = before;
    int is_write = strcmp(kind, "write") == 0;
    if (mode == KILL && number == target) {
        if (is_write) return HALF;
        die();
    }
    if (mode == BAD && number == target) {
        errno = EIO;
        return FAIL;
    }
    if (mode == FULL && needs_disk && number >= target) {
        if (is_write && number == target) return HALF;
        errno = ENOSPC;
        return FAIL;
    }
    return GO;
}

static enum verdict step_fd(const char *kind, int fd, int needs_disk) {
    if (!mode) return GO;
    char path[PATH_MAX];
    fd_path(fd, path);
    return step(kind, path, "", needs_disk);
}

static enum verdict step_at(const char *kind, int folder, const char *name, int needs_disk) {
    if (!mode) return GO;
    char path[PATH_MAX];
    full_path(folder, name, path);
    return step(kind, path, "", needs_disk);
}

static enum verdict step_two(const char *kind, int a, const char *from, int b, const char *to) {
    if (!mode) return GO;
    char path[PATH_MAX], other[PATH_MAX];
    full_path(a, from, path);
    full_path(b, to, other);
    /* Below the root is what is written to. A link may come from elsewhere. */
    return strcmp(kind, "link") == 0 ? step(kind, other, path, 1) : step(kind, path, other, 1);
}

#define REAL(name) \
    static __typeof__(&name) real; \
    if (real == NULL) real = (__typeof__(&name))dlsym(RTLD_NEXT, #name)

/* After half of a write: the process dies, or the disk is full and the write was short. */
static ssize_t halved(ssize_t written) {
    if (mode == KILL) die();
    if (written <= 0) {
        errno = ENOSPC;
        return -1;
    }
    return written;
}

ssize_t write(int fd, const void *data, size_t size) {
    REAL(write);
    switch (step_fd("write", fd, 1)) {
    case FAIL: return -1;
    case HALF: return halved(size > 1 ? real(fd, data, size / 2) : 0);
    default: return real(fd, data, size);
    }
}

#define PWRITE(name, offset_type) \
    ssize_t name(int fd, const void *data, size_t size, offset_type offset) { \
        REAL(name); \
        switch (step_fd("write", fd, 1)) { \
        case FAIL: return -1; \
        case HALF: return halved(size > 1 ? real(fd, data, size / 2, offset) : 0); \
        default: return real(fd, data, size, offset); \
        } \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

ssize_t writev(int fd, const struct iovec *parts, int n) {
    REAL(writev);
    switch (step_fd("write", fd, 1)) {
    case FAIL: return -1;
    case HALF: return halved(n > 1 ? real(fd, parts, n / 2) : 0);
    default: return real(fd, parts, n);
    }
}

#define SENDFILE(name, offset_type) \
    ssize_t name(int out, int in, offset_type *offset, size_t size) { \
        REAL(name); \
        switch (step_fd("write", out, 1)) { \
        case FAIL: return -1; \
        case HALF: return halved(size > 1 ? real(out, in, offset, size > 4096 ? 2048 : size / 2) : 0); \
        default: return real(out, in, offset, size); \
        } \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int in, off64_t *from, int out, off64_t *to, size_t size, unsigned flags) {
    REAL(copy_file_range);
    switch (step_fd("write", out, 1)) {
    case FAIL: return -1;
    case HALF: return halved(size > 1 ? real(in, from, out, to, size > 4096 ? 2048 : size / 2, flags) : 0);
    default: return real(in, from, out, to, size, flags);
    }
}

size_t fwrite(const void *data, size_t size, size_t n, FILE *file) {
    REAL(fwrite);
    static int (*flush)(FILE *);
    if (flush == NULL) flush = (int (*)(FILE *))dlsym(RTLD_NEXT, "fflush");
    switch (step_fd("write", fileno(file), 1)) {
    case FAIL: return 0;
    case HALF: {
        size_t written = real(data, size, n / 2, file);
        flush(file);
        halved((ssize_t)written);
        errno = ENOSPC;
        return written;
    }
    default: return real(data, size, n, file);
    }
}

int fflush(FILE *file) {
    REAL(fflush);
    if (file != NULL && __fpending(file) > 0 && step_fd("write", fileno(file), 1) != GO) {
        if (mode == KILL) die();
        if (mode == FULL) errno = ENOSPC;
        return EOF;
    }
    return real(file);
}

int fclose(FILE *file) {
    REAL(fclose);
    if (__fpending(file) > 0 && step_fd("write", fileno(file), 1) != GO) {
        if (mode == KILL) die();
        int error = mode == FULL ? ENOSPC : errno;
        __fpurge(file);
        real(file);
        errno = error;
        return EOF;
    }
    return real(file);
}

#define OPEN(name) \
    int name(const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t permissions = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (flags & (O_CREAT | O_TRUNC) && step_at("create", AT_FDCWD, path, 1) != GO) return -1; \
        return real(path, flags, permissions); \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name) \
    int name(int folder, const char *path, int flags, ...) { \
        REAL(name); \
        va_list rest; \
        va_start(rest, flags); \
        mode_t permissions = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest); \
        if (flags & (O_CREAT | O_TRUNC) && step_at("create", folder, path, 1) != GO) return -1; \
        return real(folder, path, flags, permissions); \
    }
OPENAT(openat)
OPENAT(openat64)

#define ON_FD(name, kind, needs_disk, parameters, ...) \
    int name parameters { \
        REAL(name); \
        if (step_fd(kind, fd, needs_disk) != GO) return -1; \
        return real(__VA_ARGS__); \
    }
ON_FD(fsync, "fsync", 1, (int fd), fd)
ON_FD(fdatasync, "fsync", 1, (int fd), fd)
ON_FD(ftruncate, "truncate", 1, (int fd, off_t size), fd, size)
ON_FD(ftruncate64, "truncate", 1, (int fd, off64_t size), fd, size)
ON_FD(fallocate, "fallocate", 1, (int fd, int how, off_t at, off_t size), fd, how, at, size)
ON_FD(fallocate64, "fallocate", 1, (int fd, int how, off64_t at, off64_t size), fd, how, at, size)

/* These return the error instead of setting errno. */
#define POSIX_FALLOCATE(name, offset_type) \
    int name(int fd, offset_type at, offset_type size) { \
        REAL(name); \
        if (step_fd("fallocate", fd, 1) != GO) return errno; \
        return real(fd, at, size); \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define ON_PATH(name, kind, needs_disk, parameters, folder, ...) \
    int name parameters { \
        REAL(name); \
        if (step_at(kind, folder, path, needs_disk) != GO) return -1; \
        return real(__VA_ARGS__); \
    }
ON_PATH(truncate, "truncate", 1, (const char *path, off_t size), AT_FDCWD, path, size)
ON_PATH(truncate64, "truncate", 1, (const char *path, off64_t size), AT_FDCWD, path, size)
ON_PATH(mkdir, "mkdir", 1, (const char *path, mode_t bits), AT_FDCWD, path, bits)
ON_PATH(mkdirat, "mkdir", 1, (int folder, const char *path, mode_t bits), folder, folder, path, bits)
ON_PATH(unlink, "unlink", 0, (const char *path), AT_FDCWD, path)
ON_PATH(rmdir, "rmdir", 0, (const char *path), AT_FDCWD, path)

int unlinkat(int folder, const char *path, int flags) {
    REAL(unlinkat);
    if (step_at(flags & AT_REMOVEDIR ? "rmdir" : "unlink", folder, path, 0) != GO) return -1;
    return real(folder, path, flags);
}

int rename(const char *from, const char *to) {
    REAL(rename);
    if (step_two("rename", AT_FDCWD, from, AT_FDCWD, to) != GO) return -1;
    return real(from, to);
}

int renameat(int a, const char *from, int b, const char *to) {
    REAL(renameat);
    if (step_two("rename", a, from, b, to) != GO) return -1;
    return real(a, from, b, to);
}

int renameat2(int a, const char *from, int b, const char *to, unsigned flags) {
    REAL(renameat2);
    if (step_two("rename", a, from, b, to) != GO) return -1;
    return real(a, from, b, to, flags);
}

int link(const char *from, const char *to) {
    REAL(link);
    if (step_two("link", AT_FDCWD, from, AT_FDCWD, to) != GO) return -1;
    return real(from, to);
}

int linkat(int a, const char *from, int b, const char *to, int flags) {
    REAL(linkat);
    if (step_two("link", a, from, b, to) != GO) return -1;
    return real(a, from, b, to, flags);
}
