/* A disk that fails on demand: loaded into a process with LD_PRELOAD, it stands before the calls that reach a file system.
 *
 * The environment names a control file, DISKFAULTS_CONTROL, that may be replaced (by rename) at any time. Each line is one rule:
 *
 *     <call> <effect> <argument> <path prefix>
 *
 *     sync   fail  EIO     /data/log     fsync and fdatasync return the error; what was written may or may not be durable
 *     sync   delay 300     /data         they take so many milliseconds longer
 *     sync   hang  0       /data/log     they do not return until the rule is gone
 *     write  fail  ENOSPC  /data         bytes are not taken (write, pwrite, writev, stdio), nor may a file grow by ftruncate
 *     create fail  ENOSPC  /data         no file and no folder can be made; what exists can be opened
 *     free   set   1048576 /data         statfs tells of so many free bytes
 *
 * The first rule whose call and prefix fit is obeyed. A descriptor's path is asked of /proc, so sockets and pipes never fit.
 * (F1) The control file is looked at before each of these calls and read only when it is another one: a rule holds from the
 *      first call after the rename.
 * (F2) Whatever fails does so before the real call: the bytes of a failed write are not there, a failed sync has synced nothing.
 */

#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

/* Under optimisation the C library has macros of this name. */
#undef fwrite_unlocked

#define RULES_MAX 32
#define HANG_LOOK_NS 2000000

struct rule {
  char call[8];
  char effect[8];
  char argument[24];
  char prefix[1024];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct rule rules[RULES_MAX];
static int rule_count;
static struct stat read_from;

#define REAL(name, type) ((type)real(#name))

static void *real(const char *name) {
  void *found = dlsym(RTLD_NEXT, name);
  if (!found) abort();
  return found;
}

static int same(const struct stat *a, const struct stat *b) {
  return a->st_ino == b->st_ino && a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
         a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* Lock held. Reads with plain system calls, of which `open` and `read` of the control file fit no rule. */
static void refresh(void) {
  const char *path = getenv("DISKFAULTS_CONTROL");
  struct stat now;
  if (!path || stat(path, &now) != 0) {
    rule_count = 0;
    memset(&read_from, 0, sizeof read_from);
    return;
  }
  if (same(&now, &read_from)) return;
  FILE *file = REAL(fopen, FILE * (*)(const char *, const char *))(path, "re");
  if (!file) return;
  read_from = now;
  rule_count = 0;
  while (rule_count < RULES_MAX) {
    struct rule *r = &rules[rule_count];
    int fields = fscanf(file, "%7s %7s %23s %1023[^\n]", r->call, r->effect, r->argument, r->prefix);
    if (fields != 4) break;
    rule_count++;
  }
  fclose(file);
}

/* Whether a rule fits; a copy of it in `out`. */
static int find(const char *call, const char *path, struct rule *out) {
  int found = 0;
  pthread_mutex_lock(&lock);
  refresh();
  for (int at = 0; at < rule_count && !found; at++) {
    const struct rule *r = &rules[at];
    found = strcmp(r->call, call) == 0 && strncmp(path, r->prefix, strlen(r->prefix)) == 0;
    if (found) *out = *r;
  }
  pthread_mutex_unlock(&lock);
  return found;
}

static int errno_of(const char *name) {
  if (strcmp(name, "ENOSPC") == 0) return ENOSPC;
  if (strcmp(name, "EDQUOT") == 0) return EDQUOT;
  if (strcmp(name, "EROFS") == 0) return EROFS;
  return EIO;
}

static void sleep_ns(long long ns) {
  struct timespec left = {ns / 1000000000, ns % 1000000000};
  while (nanosleep(&left, &left) != 0 && errno == EINTR) continue;
}

/* 0 to go on with the real call, else -1 with errno set. */
static int obey(const char *call, const char *path) {
  struct rule r;
  int kept = errno;
  if (find(call, path, &r)) {
    if (strcmp(r.effect, "fail") == 0) {
      errno = errno_of(r.argument);
      return -1;
    }
    if (strcmp(r.effect, "delay") == 0) sleep_ns(atoll(r.argument) * 1000000);
    if (strcmp(r.effect, "hang") == 0)
      while (find(call, path, &r) && strcmp(r.effect, "hang") == 0) sleep_ns(HANG_LOOK_NS);
  }
  errno = kept;
  return 0;
}

static int obey_fd(const char *call, int fd) {
  char link[40], path[1024];
  int kept = errno;
  snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
  ssize_t length = readlink(link, path, sizeof path - 1);
  errno = kept;
  if (length <= 0 || path[0] != '/') return 0;
  path[length] = 0;
  return obey(call, path);
}

static int obey_create(const char *path) {
  char whole[2048];
  int kept = errno, exists = access(path, F_OK) == 0;
  errno = kept;
  if (exists) return 0;
  if (path[0] == '/') return obey("create", path);
  char here[1024];
  if (!getcwd(here, sizeof here)) return 0;
  snprintf(whole, sizeof whole, "%s/%s", here, path);
  return obey("create", whole);
}

int fsync(int fd) { return obey_fd("sync", fd) ? -1 : REAL(fsync, int (*)(int))(fd); }
int fdatasync(int fd) { return obey_fd("sync", fd) ? -1 : REAL(fdatasync, int (*)(int))(fd); }

ssize_t write(int fd, const void *data, size_t count) {
  return obey_fd("write", fd) ? -1 : REAL(write, ssize_t(*)(int, const void *, size_t))(fd, data, count);
}

ssize_t writev(int fd, const struct iovec *parts, int count) {
  return obey_fd("write", fd) ? -1 : REAL(writev, ssize_t(*)(int, const struct iovec *, int))(fd, parts, count);
}

ssize_t pwrite64(int fd, const void *data, size_t count, off64_t offset) {
  if (obey_fd("write", fd)) return -1;
  return REAL(pwrite64, ssize_t(*)(int, const void *, size_t, off64_t))(fd, data, count, offset);
}

/* The C library's own buffers reach `write` without passing by here: what is put into them fails at once, and so does the flush. */
size_t fwrite_unlocked(const void *data, size_t size, size_t count, FILE *file) {
  if (obey_fd("write", fileno(file))) return 0;
  return REAL(fwrite_unlocked, size_t(*)(const void *, size_t, size_t, FILE *))(data, size, count, file);
}

int fflush_unlocked(FILE *file) {
  if (file && obey_fd("write", fileno(file))) return EOF;
  return REAL(fflush_unlocked, int (*)(FILE *))(file);
}

int ftruncate64(int fd, off64_t length) {
  struct stat now;
  if (fstat(fd, &now) == 0 && length > now.st_size && obey_fd("write", fd)) return -1;
  return REAL(ftruncate64, int (*)(int, off64_t))(fd, length);
}

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (flags & O_CREAT && obey_create(path)) return -1;
  return REAL(open64, int (*)(const char *, int, ...))(path, flags, mode);
}

int open(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  if (flags & O_CREAT && obey_create(path)) return -1;
  return REAL(open, int (*)(const char *, int, ...))(path, flags, mode);
}

FILE *fopen64(const char *path, const char *mode) {
  if (mode[0] != 'r' && obey_create(path)) return NULL;
  return REAL(fopen64, FILE * (*)(const char *, const char *))(path, mode);
}

int mkdir(const char *path, mode_t mode) {
  return obey_create(path) ? -1 : REAL(mkdir, int (*)(const char *, mode_t))(path, mode);
}

int statfs64(const char *path, struct statfs64 *out) {
  struct rule r;
  int failed = REAL(statfs64, int (*)(const char *, struct statfs64 *))(path, out);
  if (failed || !find("free", path, &r)) return failed;
  out->f_bfree = out->f_bavail = (fsblkcnt64_t)(atoll(r.argument) / (long long)out->f_bsize);
  return 0;
}
