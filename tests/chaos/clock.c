/* Preloaded into a process: its wall clock is off by what CLOCK_FILE says (a 64-bit number of milliseconds, read anew
   each time). Steady clocks are left alone. Who waits until an instant of the wall clock means ours: the kernel is told
   its own. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>

static volatile const int64_t *off_ms;
static int (*real)(clockid_t, struct timespec *);

__attribute__((constructor)) static void begin(void) {
    real = dlsym(RTLD_NEXT, "clock_gettime");
    int file = open(getenv("CLOCK_FILE"), O_RDONLY);
    off_ms = mmap(NULL, sizeof *off_ms, PROT_READ, MAP_SHARED, file, 0);
}

static void add_ms(struct timespec *instant, int64_t milliseconds) {
    int64_t ns = instant->tv_nsec + milliseconds % 1000 * 1000000;
    instant->tv_sec += milliseconds / 1000 + (ns >= 1000000000) - (ns < 0);
    instant->tv_nsec = (ns + 1000000000) % 1000000000;
}

int clock_gettime(clockid_t which, struct timespec *now) {
    if (real == NULL)
        real = dlsym(RTLD_NEXT, "clock_gettime");
    int failed = real(which, now);
    if (failed || off_ms == NULL || (which != CLOCK_REALTIME && which != CLOCK_REALTIME_COARSE))
        return failed;
    add_ms(now, *off_ms);
    return 0;
}

int pthread_cond_timedwait(pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *until) {
    static int (*wait)(pthread_cond_t *, pthread_mutex_t *, const struct timespec *);
    if (wait == NULL)
        wait = dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
    if (wait == NULL)
        wait = dlsym(RTLD_NEXT, "pthread_cond_timedwait");
    struct timespec instant = *until;
    if (off_ms != NULL && instant.tv_sec > 1000000000) /* a steady clock, which says for how long we run, is below */
        add_ms(&instant, -*off_ms);
    return wait(condition, mutex, &instant);
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    now->tv_sec = precise.tv_sec;
    now->tv_usec = precise.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *where) {
    struct timespec precise;
    clock_gettime(CLOCK_REALTIME, &precise);
    if (where != NULL)
        *where = precise.tv_sec;
    return precise.tv_sec;
}
