/* A crowd in one thread: it logs in, speaks, listens, and checks and counts what it hears.
 *
 *   load port=6667 pid=4711 clients=1000 rooms=1 senders=1 messages=320 window=16
 *        step='NICK %u^USER u 0 * :u^' expect=' 001 ' step='JOIN #%r^' expect=' 366 '
 *        say='PRIVMSG #%r :%p^'
 *
 * Client i is in room i mod rooms. In step, expect and say, %u is the client's name, %r its room's,
 * %p the message, and ^ ends a line (CR LF). Every message holds a mark, its sender's number and
 * its own, so that it is found in whatever a server puts around it. Each listener has to hear
 * every message of each speaker in its room once, whole, in order; anything else ends the run with
 * status 1. What is printed is one line of JSON: microseconds, seconds (..._s) and KiB (..._kib).
 * The server's CPU time is that of all its threads, by the kernel's clock of that process.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK "|~|"
#define HEAD 18 /* the mark, five digits, a dot, eight digits, a dot */
#define CHUNK (256 * 1024)
#define LOGIN 512 /* bytes of the text before the first message that are kept */
#define STEPS 8
#define BUCKETS (40 * 32) /* of latencies: 32 for each power of two of nanoseconds */

static int port, pid, clients = 10, rooms = 1, senders = 1, messages = 100, warm, window = 16;
static int size = 100, echo, together = 64, addresses = 1, barrier, quiet_ms = 300, patience_s = 30;
static double rate, idle_s;
static const char *say = "%p^", *step[STEPS], *expected[STEPS];
static int steps;

struct client {
    int fd, room, step, sent, flying, ready, blocked, kept;
    uint32_t *heard; /* by speaker of the room: how many of its messages came */
    char *out, *keep, *before, *after, *wanted; /* to send; a message's beginning; around %p */
    size_t out_len, out_cap, before_len, after_len;
};
struct sent { uint64_t at; int left; };

static struct client *all;
static struct sent *told; /* by speaker and number */
static char *body, *buffer;
static int poll_fd, logged_in, logging_in, *ready, ready_count, total;
static uint64_t heard, receives, bytes, last_at, *whole, whole_count, each[BUCKETS], each_max;
static uint64_t turns_due, spoken_due; /* at a rate: when something was due, and how much */
static int counting;

static void fail(const char *format, ...)
{
    va_list given;
    va_start(given, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, given);
    fputs("\n", stderr);
    exit(1);
}

static void *room_for(size_t bytes_)
{
    void *made = calloc(1, bytes_ ? bytes_ : 1);
    if (!made) fail("no memory");
    return made;
}

static uint64_t clock_of(clockid_t which)
{
    struct timespec t;
    return clock_gettime(which, &t) ? 0 : (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
static uint64_t now(void) { return clock_of(CLOCK_MONOTONIC); }

/* ---------------------------------------------------------------- the server's figures */

struct figures { uint64_t at, cpu; double user, system; long rss; };

static struct figures look(void)
{
    struct figures f = { .at = now() };
    clockid_t its;
    char path[64], line[1024], *rest;
    unsigned long user, system;
    long rss;
    if (!pid) return f;
    if (clock_getcpuclockid(pid, &its)) fail("no process %d", pid);
    f.cpu = clock_of(its);
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *file = fopen(path, "r");
    if (!file || !fgets(line, sizeof line, file) || !(rest = strrchr(line, ')')) ||
        sscanf(rest + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d %*d %*d %*d"
               " %*u %*u %ld", &user, &system, &rss) != 3)
        fail("process %d is gone", pid);
    fclose(file);
    f.user = (double)user / (double)sysconf(_SC_CLK_TCK);
    f.system = (double)system / (double)sysconf(_SC_CLK_TCK);
    f.rss = rss * (sysconf(_SC_PAGESIZE) / 1024);
    return f;
}

/* ---------------------------------------------------------------- speaking */

static void put(struct client *c, const char *data, size_t length)
{
    if (c->out_len + length > c->out_cap) {
        c->out_cap = 2 * (c->out_len + length);
        if (!(c->out = realloc(c->out, c->out_cap))) fail("no memory");
    }
    memcpy(c->out + c->out_len, data, length);
    c->out_len += length;
}

static void watch(struct client *c, int blocked)
{
    struct epoll_event e = { .events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = c };
    if (blocked != c->blocked) epoll_ctl(poll_fd, EPOLL_CTL_MOD, c->fd, &e);
    c->blocked = blocked;
}

static void flush(struct client *c)
{
    ssize_t done = 0;
    if (c->out_len) done = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done < 0 && errno != EAGAIN) fail("client %d: %s", (int)(c - all), strerror(errno));
    if (done > 0) {
        c->out_len -= (size_t)done;
        memmove(c->out, c->out + done, c->out_len);
    }
    watch(c, c->out_len > 0);
}

/* Return what a template says for a client, up to %p; *rest is where the template goes on. */
static char *spelled(const char *t, struct client *c, size_t *length, const char **rest)
{
    char *made = room_for(strlen(t) * 8 + 1), *p = made;
    for (; *t && !(t[0] == '%' && t[1] == 'p'); t++)
        if (*t == '^') p += sprintf(p, "\r\n");
        else if (t[0] == '%' && t[1] == 'u') p += sprintf(p, "u%05d", (int)(c - all)), t++;
        else if (t[0] == '%' && t[1] == 'r') p += sprintf(p, "r%05d", c->room), t++;
        else *p++ = *t;
    *length = (size_t)(p - made);
    if (rest) *rest = *t ? t + 2 : t;
    return made;
}

static void speak(struct client *c, uint64_t at)
{
    char *message;
    struct sent *s = &told[(size_t)(c - all) * (size_t)total + (size_t)c->sent];
    int members = clients / rooms + (c->room < clients % rooms);
    put(c, c->before, c->before_len);
    put(c, body, (size_t)size);
    message = c->out + c->out_len - size;
    message[sprintf(message, MARK "%05d.%08d", (int)(c - all), c->sent)] = '.';
    put(c, c->after, c->after_len);
    s->at = at;
    s->left = members - !echo;
    c->sent++;
    c->flying++;
}

static void may_speak(struct client *c)
{
    if (!c->ready) c->ready = 1, ready[ready_count++] = (int)(c - all);
}

/* ---------------------------------------------------------------- listening */

static int bucket(uint64_t ns)
{
    int high = 63 - __builtin_clzll(ns | 32);
    return (high - 5) * 32 + (int)((ns >> (high - 5)) & 31);
}

static void hear(struct client *c, const char *message)
{
    int speaker = 0, number = 0;
    uint64_t took;
    for (int i = 3; i < 8; i++) speaker = speaker * 10 + message[i] - '0';
    for (int i = 9; i < 17; i++) number = number * 10 + message[i] - '0';
    if (memcmp(message + HEAD, body + HEAD, (size_t)(size - HEAD)) || speaker < 0 ||
        speaker >= senders || number < 0 || number >= all[speaker].sent || all[speaker].room != c->room)
        fail("client %d heard what nobody said to it: %.*s", (int)(c - all), size, message);
    uint32_t *before = &c->heard[speaker / rooms];
    if (*before != (uint32_t)number)
        fail("client %d heard message %d of %d after %d of its messages", (int)(c - all), number,
             speaker, *before);
    struct sent *s = &told[(size_t)speaker * (size_t)total + (size_t)number];
    ++*before;
    ++heard;
    took = last_at - s->at;
    if (counting) {
        each[bucket(took)]++;
        if (took > each_max) each_max = took;
    }
    if (--s->left == 0) {
        if (counting) whole[whole_count++] = took;
        all[speaker].flying--;
        may_speak(&all[speaker]);
    }
}

static void next_step(struct client *c)
{
    size_t length;
    free(c->wanted);
    c->wanted = NULL;
    if (c->step == steps) {
        logged_in++;
        logging_in--;
        return;
    }
    char *words = spelled(step[c->step], c, &length, NULL);
    put(c, words, length);
    free(words);
    flush(c);
    c->wanted = spelled(expected[c->step], c, &length, NULL);
}

static void listen_to(struct client *c)
{
    ssize_t got = recv(c->fd, buffer + c->kept, CHUNK, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0)
        fail("client %d was cut off: %s; it heard: %.*s", (int)(c - all),
             got ? strerror(errno) : "end", c->kept, c->keep);
    receives++;
    bytes += (uint64_t)got;
    if (c->kept) memcpy(buffer, c->keep, (size_t)c->kept);
    char *p = buffer, *end = buffer + c->kept + got, *found;
    while (c->wanted && (found = memmem(p, (size_t)(end - p), c->wanted, strlen(c->wanted)))) {
        p = found + strlen(c->wanted);
        c->step++;
        if (barrier && c->step == barrier) {
            free(c->wanted);
            c->wanted = NULL;
            logging_in--;
            barrier == steps ? logged_in++ : 0;
        } else
            next_step(c);
    }
    last_at = now();
    while (!c->wanted && (found = memmem(p, (size_t)(end - p), MARK, 3)) && end - found >= size) {
        hear(c, found);
        p = found + size;
    }
    if (!c->wanted) p = (found = memmem(p, (size_t)(end - p), MARK, 3)) ? found : end - p > 2 ? end - 2 : p;
    c->kept = (int)(end - p);
    if (c->kept > size + LOGIN) p += c->kept - size - LOGIN, c->kept = size + LOGIN;
    memcpy(c->keep, p, (size_t)c->kept);
}

/* Do what there is to do; wait for it until a time. Return how much there was. */
static int turn(uint64_t until)
{
    static struct epoll_event events[1024];
    uint64_t at = now(), wait = until > at ? until - at : 0;
    struct timespec t = { (time_t)(wait / 1000000000u), (long)(wait % 1000000000u) };
    int count = epoll_pwait2(poll_fd, events, 1024, &t, NULL);
    for (int i = 0; i < count; i++) {
        if (events[i].events & EPOLLOUT) flush(events[i].data.ptr);
        if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) listen_to(events[i].data.ptr);
    }
    return count;
}

static void rest(double seconds)
{
    uint64_t until = now() + (uint64_t)(seconds * 1e9);
    while (now() < until) turn(until);
}

/* Wait until nothing has come for a while. */
static void settle(void)
{
    uint64_t give_up = now() + 60000000000u;
    while (turn(now() + (uint64_t)quiet_ms * 1000000u) && now() < give_up) {}
}

/* Let everybody say so many; return when all was heard. */
static void talk(int count, double per_second)
{
    uint64_t begin = now(), progress = begin, before = heard, said = 0, due = 0;
    uint64_t all_said = (uint64_t)count * (uint64_t)senders, want = heard;
    for (int i = 0; i < senders; i++) {
        int members = clients / rooms + (all[i].room < clients % rooms);
        want += (uint64_t)count * (uint64_t)(members - !echo);
        if (per_second == 0) may_speak(&all[i]);
    }
    int goal = all[0].sent + count;
    while (heard < want) {
        uint64_t until = now() + 1000000000u;
        if (per_second > 0) {
            uint64_t before_it = said, at = now();
            while (said < all_said && (due = begin + (uint64_t)((double)said / per_second * 1e9)) <= at) {
                struct client *c = &all[said++ % (uint64_t)senders];
                speak(c, due);
                flush(c);
            }
            turns_due += said > before_it;
            spoken_due += said - before_it;
        }
        if (per_second > 0 && said < all_said) until = due;
        while (per_second == 0 && ready_count) {
            struct client *c = &all[ready[--ready_count]];
            c->ready = 0;
            while (c->flying < window && c->sent < goal) speak(c, now());
            if (c->out_len && !c->blocked) flush(c);
        }
        if (heard < want) turn(until);
        if (heard > before) before = heard, progress = now();
        else if (now() - progress > (uint64_t)patience_s * 1000000000u)
            fail("%llu deliveries are missing", (unsigned long long)(want - heard));
    }
    ready_count = 0;
    for (int i = 0; i < senders; i++) all[i].ready = 0;
}

/* ---------------------------------------------------------------- coming */

static void come(struct client *c)
{
    int one = 1;
    struct linger hard = { 1, 0 };
    struct sockaddr_in from = { .sin_family = AF_INET }, to = from;
    c->fd = socket(AF_INET, SOCK_STREAM, 0);
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard); /* no TIME_WAIT */
    setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
    from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + (uint32_t)((c - all) % addresses));
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons((uint16_t)port);
    if (c->fd < 0 || bind(c->fd, (void *)&from, sizeof from) || connect(c->fd, (void *)&to, sizeof to))
        fail("cannot connect: %s", strerror(errno));
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = c };
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &e);
    logging_in++;
    next_step(c);
}

static void wait_for(int *count, int wanted, int still, const char *what)
{
    static int seen = -1;
    static uint64_t since;
    if (*count != seen) seen = *count, since = now();
    if (now() - since > (uint64_t)patience_s * 1000000000u) fail("%s: %d of %d", what, still, wanted);
}

static double come_all(void)
{
    uint64_t begin = now();
    for (int next = 0; next < clients || logging_in;) {
        while (next < clients && logging_in < together) come(&all[next++]);
        turn(now() + 100000000u);
        wait_for(&logging_in, clients, next - logging_in, "they do not get in");
    }
    return (double)(now() - begin) / 1e9;
}

static double pass_barrier(void)
{
    uint64_t begin = now();
    int at = barrier;
    if (!at || at == steps) return 0;
    barrier = 0;
    logging_in = clients;
    for (int i = 0; i < clients; i++) next_step(&all[i]);
    while (logged_in < clients) {
        turn(now() + 100000000u);
        wait_for(&logged_in, clients, logged_in, "they do not get in together");
    }
    return (double)(now() - begin) / 1e9;
}

static void prepare(void)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_max < (rlim_t)clients + 16) fail("%d clients take a larger ulimit -n", clients);
    if (size < HEAD + 2 || clients < rooms || senders > clients) fail("that does not add up");
    total = messages + warm;
    all = room_for((size_t)clients * sizeof *all);
    told = room_for((size_t)senders * (size_t)total * sizeof *told);
    whole = room_for((size_t)senders * (size_t)messages * sizeof *whole);
    ready = room_for((size_t)clients * sizeof *ready);
    buffer = room_for(CHUNK + (size_t)size + LOGIN);
    body = room_for((size_t)size + 1);
    for (int i = 0; i < size; i++) body[i] = (char)('a' + i % 26);
    for (int i = 0; i < clients; i++) {
        struct client *c = &all[i];
        const char *rest_of;
        c->room = i % rooms;
        c->keep = room_for((size_t)size + LOGIN);
        c->heard = room_for(((size_t)senders / (size_t)rooms + 1) * sizeof *c->heard);
        c->before = spelled(say, c, &c->before_len, &rest_of);
        c->after = spelled(rest_of, c, &c->after_len, NULL);
    }
}

/* ---------------------------------------------------------------- telling */

static int smaller(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Return a quantile of what took each delivery, in microseconds: within 3 %. */
static double quantile(double q)
{
    uint64_t count = 0, sum = 0;
    for (int i = 0; i < BUCKETS; i++) count += each[i];
    for (int i = 0; i < BUCKETS; i++)
        if ((sum += each[i]) > q * (double)(count - 1))
            return (double)((32ull + (uint64_t)i % 32) << (i / 32)) / 1e3;
    return 0;
}

int main(int count, char **given)
{
    static const struct { const char *name; int *value; } numbers[] = {
        { "port", &port }, { "pid", &pid }, { "clients", &clients }, { "rooms", &rooms },
        { "senders", &senders }, { "messages", &messages }, { "warm", &warm }, { "window", &window },
        { "size", &size }, { "echo", &echo }, { "together", &together }, { "addresses", &addresses },
        { "barrier", &barrier }, { "quiet_ms", &quiet_ms }, { "patience_s", &patience_s },
    };
    for (int i = 1; i < count; i++) {
        char *value = strchr(given[i], '=');
        size_t k = 0, known = sizeof numbers / sizeof *numbers;
        if (!value) fail("%s is not NAME=VALUE", given[i]);
        *value++ = 0;
        while (k < known && strcmp(numbers[k].name, given[i])) k++;
        if (k < known) *numbers[k].value = atoi(value);
        else if (!strcmp(given[i], "rate")) rate = atof(value);
        else if (!strcmp(given[i], "idle_s")) idle_s = atof(value);
        else if (!strcmp(given[i], "say")) say = value;
        else if (!strcmp(given[i], "step") && steps < STEPS) step[steps++] = value;
        else if (!strcmp(given[i], "expect") && steps) expected[steps - 1] = value;
        else fail("there is no %s", given[i]);
    }
    if (senders < 0) senders = clients;
    for (int i = 0; i < steps; i++) if (!expected[i]) fail("a step without what is expected");
    prepare();
    poll_fd = epoll_create1(0);
    struct figures first = look();
    double came_s = come_all();
    struct figures came = look();
    double joined_s = pass_barrier();
    settle();
    struct figures quiet = look();
    if (idle_s > 0) rest(idle_s);
    struct figures idle = look();
    if (warm) talk(warm, 0), rest(0.05);
    uint64_t heard0 = heard, receives0 = receives;
    counting = 1;
    struct figures begin = look();
    if (messages) talk(messages, rate);
    struct figures end = look();
    uint64_t deliveries = heard - heard0;
    rest(0.1); /* what would come twice comes now */
    if (heard - heard0 != deliveries) fail("something was heard twice");
    qsort(whole, whole_count, sizeof *whole, smaller);
    double per = deliveries ? (double)deliveries : 1, cpu = (double)(end.cpu - begin.cpu) / 1e3;
    printf("{\"clients\": %d, \"deliveries\": %llu, \"cpu\": %.4f, \"cpu_per_message\": %.3f, \"user\": %.3f,"
           " \"wall_s\": %.4f, \"per_receive\": %.2f, \"spoken_at_once\": %.2f,", clients, (unsigned long long)deliveries, cpu / per,
           whole_count ? cpu / (double)whole_count : 0,
           (end.user - begin.user) / (end.user - begin.user + end.system - begin.system + 1e-9),
           (double)(end.at - begin.at) / 1e9, (double)deliveries / ((double)(receives - receives0) + 1e-9),
           (double)spoken_due / ((double)turns_due + 1e-9));
    printf(" \"came_s\": %.4f, \"came_cpu\": %.2f, \"joined_s\": %.4f, \"idle_percent\": %.3f,"
           " \"rss_kib\": %ld, \"rss_per_client_kib\": %.3f,", came_s,
           (double)(came.cpu - first.cpu) / 1e3 / clients, joined_s,
           idle_s > 0 ? (double)(idle.cpu - quiet.cpu) / idle_s / 1e7 : 0, quiet.rss,
           (double)(quiet.rss - first.rss) / clients);
    printf(" \"each\": [%.1f, %.1f, %.1f], \"last\": [", quantile(.5), quantile(.99), (double)each_max / 1e3);
    for (int i = 0; i <= 100 && whole_count; i++)
        printf("%s%.1f", i ? ", " : "", (double)whole[(whole_count - 1) * (uint64_t)i / 100] / 1e3);
    puts("]}");
    return 0;
}
