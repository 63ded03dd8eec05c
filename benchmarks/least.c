/* About the least that a chat server can do: what the others are measured by, and no server.
 *
 *   least PORT [FILE]
 *
 * Lines: "/nick NAME" ("named NAME" is said), "/join ROOM" ("joined ROOM"), and all else goes to
 * the room as "NAME: LINE", to the speaker as well. What comes in one round of epoll is put behind
 * the room's log, and each member gets what is new to it in one send. Nothing is limited or
 * checked. With FILE, what is new is written there, and made durable by one fdatasync, before it is
 * sent: over and over in the same 4 MiB, which is the least that storing can cost. Prints the port it listens on, which it chooses itself if PORT is 0.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <search.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define LONGEST 4096
#define CHUNK (256 * 1024)
#define STORE (4 * 1024 * 1024)

struct room {
    char name[32];
    struct member **members;
    char *log;
    size_t start, end, cap; /* the log holds the bytes from start to end of all that was said */
    size_t stored;          /* up to here they are in the file */
    int count, rung;
    struct room *next; /* that is rung */
};
struct member {
    int fd, place, blocked, name_len;
    size_t read, kept;
    struct room *room;
    char name[32], *keep; /* a line whose end has not come */
};

static int poll_fd;
static struct room *rung;
static char chunk[LONGEST + CHUNK];
static int store = -1;

static void *grown(void *old, size_t size)
{
    void *made = realloc(old, size);
    if (!made) perror("least"), exit(1);
    return made;
}

static struct room *room_of(const char *name)
{
    ENTRY *found;
    struct room *room;
    if ((found = hsearch((ENTRY){ .key = (char *)name }, FIND))) return found->data;
    room = memset(grown(NULL, sizeof *room), 0, sizeof *room);
    snprintf(room->name, sizeof room->name, "%s", name);
    hsearch((ENTRY){ room->name, room }, ENTER);
    return room;
}

static void watch(struct member *m, int blocked)
{
    struct epoll_event e = { .events = EPOLLIN | (blocked ? EPOLLOUT : 0), .data.ptr = m };
    if (blocked != m->blocked) epoll_ctl(poll_fd, EPOLL_CTL_MOD, m->fd, &e);
    m->blocked = blocked;
}

static void bring(struct member *m)
{
    struct room *room = m->room;
    ssize_t done = 0;
    if (m->read < room->end)
        done = send(m->fd, room->log + m->read - room->start, room->end - m->read, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (done > 0) m->read += (size_t)done;
    watch(m, m->read < room->end);
}

/* Put a line behind the log; forget what everybody has read if there is no room for it. */
static void append(struct room *room, struct member *by, const char *line, size_t length)
{
    size_t more = (size_t)by->name_len + 3 + length;
    if (room->end - room->start + more > room->cap) {
        size_t least = room->end;
        for (int i = 0; i < room->count; i++)
            if (room->members[i]->read < least) least = room->members[i]->read;
        if (room->end > least) memmove(room->log, room->log + least - room->start, room->end - least);
        room->start = least;
        if (room->end - least + more > room->cap / 2)
            room->log = grown(room->log, room->cap = 2 * room->cap + 4 * more);
    }
    char *p = room->log + room->end - room->start;
    p = mempcpy(p, by->name, (size_t)by->name_len);
    p = mempcpy(p, ": ", 2);
    p = mempcpy(p, line, length);
    *p = '\n';
    room->end += more;
    if (!room->rung) room->rung = 1, room->next = rung, rung = room;
}

static void leave(struct member *m)
{
    struct room *room = m->room;
    if (!room) return;
    struct member *last = room->members[--room->count];
    room->members[last->place = m->place] = last;
    m->room = NULL;
}

static void answer(struct member *m, const char *what, const char *name)
{
    char text[64];
    int length = snprintf(text, sizeof text, "%s %s\n", what, name);
    if (send(m->fd, text, (size_t)length, MSG_NOSIGNAL | MSG_DONTWAIT) != length) watch(m, 1);
}

static void obey(struct member *m, char *line, size_t length)
{
    line[length] = 0;
    if (length && line[length - 1] == '\r') line[--length] = 0;
    if (!strncmp(line, "/nick ", 6)) {
        m->name_len = snprintf(m->name, sizeof m->name, "%.31s", line + 6);
        answer(m, "named", m->name);
    } else if (!strncmp(line, "/join ", 6)) {
        leave(m);
        struct room *room = m->room = room_of(line + 6);
        if (!(room->count & (room->count - 1)))
            room->members = grown(room->members, (size_t)(room->count ? 2 * room->count : 1) * sizeof m);
        room->members[m->place = room->count++] = m;
        m->read = room->end;
        answer(m, "joined", room->name);
    } else if (m->room)
        append(m->room, m, line, length);
}

static void take(struct member *m)
{
    if (m->kept) memcpy(chunk, m->keep, m->kept);
    ssize_t got = recv(m->fd, chunk + m->kept, CHUNK - 1, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) {
        leave(m);
        close(m->fd);
        free(m->keep);
        free(m);
        return;
    }
    char *p = chunk, *end = chunk + m->kept + got, *stop;
    for (; (stop = memchr(p, '\n', (size_t)(end - p))); p = stop + 1) obey(m, p, (size_t)(stop - p));
    m->kept = (size_t)(end - p) < LONGEST ? (size_t)(end - p) : 0;
    if (m->kept) memcpy(m->keep = grown(m->keep, LONGEST), p, m->kept);
}

static void greet(int door)
{
    int fd, one = 1;
    while ((fd = accept4(door, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        struct member *m = memset(grown(NULL, sizeof *m), 0, sizeof *m);
        struct epoll_event e = { .events = EPOLLIN, .data.ptr = m };
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        m->fd = fd;
        epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &e);
    }
}

static void open_store(const char *path)
{
    static const char nothing[CHUNK];
    store = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
    for (int i = 0; i < STORE / CHUNK; i++)
        if (pwrite(store, nothing, CHUNK, (off_t)i * CHUNK) != CHUNK) perror("least"), exit(1);
    fsync(store);
}

/* Make durable what is new in all rooms that are rung. */
static void keep_rung(void)
{
    static off_t at;
    for (struct room *room = rung; room; room = room->next) {
        size_t length = room->end - room->stored;
        if (at + (off_t)length > STORE) at = 0;
        if (pwrite(store, room->log + room->stored - room->start, length, at) != (ssize_t)length)
            perror("least"), exit(1);
        at += (off_t)length;
        room->stored = room->end;
    }
    if (fdatasync(store)) perror("least"), exit(1);
}

int main(int count, char **given)
{
    static struct epoll_event events[1024];
    struct sockaddr_in at = { .sin_family = AF_INET };
    socklen_t length = sizeof at;
    struct rlimit files;
    int one = 1, door = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    hcreate(50000);
    at.sin_port = htons((uint16_t)(count > 1 ? atoi(given[1]) : 0));
    at.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    setsockopt(door, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(door, (void *)&at, sizeof at) || listen(door, 4096) ||
        getsockname(door, (void *)&at, &length)) {
        perror("least");
        return 1;
    }
    if (count > 2) open_store(given[2]);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    poll_fd = epoll_create1(0);
    struct epoll_event e = { .events = EPOLLIN, .data.ptr = NULL };
    epoll_ctl(poll_fd, EPOLL_CTL_ADD, door, &e);
    for (;;) {
        int ready = epoll_wait(poll_fd, events, 1024, -1);
        for (int i = 0; i < ready; i++) {
            struct member *m = events[i].data.ptr;
            if (!m) {
                greet(door);
                continue;
            }
            if (events[i].events & EPOLLOUT) m->room ? bring(m) : watch(m, 0);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) take(m);
        }
        if (rung && store >= 0) keep_rung();
        for (struct room *room = rung; room; room = room->next) {
            room->rung = 0;
            for (int i = 0; i < room->count; i++)
                if (!room->members[i]->blocked) bring(room->members[i]);
        }
        rung = NULL;
    }
}
