// SPDX-License-Identifier: Apache-2.0
// The limit of an all-reduce over TCP: plain streams carry the bytes of one, in all directions at
// once, out of and into memory that stays in the cache. Nothing is added, nothing is in order.
//
// usage, by `benchmarks all-reduce`: tcp_limit RANK RANKS PATH-OF-BARRIER HOST STREAMS
// STREAMS lead from every rank to every other. For each line with a size: all say where they
// listen, hear of each other, and say their times: with one thread that does everything, with one
// that sends and one that receives, and with one per stream and direction.
#define _GNU_SOURCE
#include "limits.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>

enum { ENDS_MAX = 1024, PIECE_BYTES = 256 << 10 };

struct settings {
    int rank, ranks, streams;
    const char *host;
    struct shared_page *page;
};

// One direction of one stream.
struct end {
    int socket, sends;
    long left_bytes;
};

struct thread {
    pthread_t handle;
    pthread_barrier_t *barrier;
    struct end *ends[ENDS_MAX];
    int end_count;
    long end_bytes;
    double starts[ROUNDS], stops[ROUNDS];
};

// As much of a piece as goes now; 0 if nothing does.
static long move_bytes(struct end *end, char *piece) {
    size_t size = (size_t)(end->left_bytes < PIECE_BYTES ? end->left_bytes : PIECE_BYTES);
    long moved = end->sends ? send(end->socket, piece, size, MSG_DONTWAIT | MSG_NOSIGNAL)
                            : recv(end->socket, piece, size, MSG_DONTWAIT);
    if (moved < 0 && (errno == EAGAIN || errno == EINTR)) return 0;
    require(moved > 0, end->sends ? "send" : "recv");
    end->left_bytes -= moved;
    return moved;
}

static void carry(struct thread *thread, char *piece) {
    struct pollfd waiting[ENDS_MAX];
    while (1) {
        int waiting_count = 0;
        long moved = 0;
        for (int index = 0; index < thread->end_count; index++) {
            struct end *end = thread->ends[index];
            if (end->left_bytes == 0) continue;
            moved += move_bytes(end, piece);
            if (end->left_bytes == 0) continue;
            waiting[waiting_count++] =
                (struct pollfd){end->socket, end->sends ? POLLOUT : POLLIN, 0};
        }
        if (waiting_count == 0) return;
        if (moved == 0) poll(waiting, (nfds_t)waiting_count, -1);
    }
}

static void *run_thread(void *argument) {
    struct thread *thread = argument;
    char *piece = malloc(PIECE_BYTES);
    require(piece != NULL, "malloc");
    memset(piece, 1, PIECE_BYTES);
    for (int round = 0; round < ROUNDS; round++) {
        for (int index = 0; index < thread->end_count; index++) {
            thread->ends[index]->left_bytes = thread->end_bytes;
        }
        pthread_barrier_wait(thread->barrier);
        thread->starts[round] = now_seconds();
        carry(thread, piece);
        thread->stops[round] = now_seconds();
    }
    free(piece);
    return NULL;
}

static void prepare_barrier(const struct settings *settings, int thread_count) {
    struct shared_page *page = settings->page;
    pthread_barrier_wait(&page->ranks);
    if (settings->rank == 0) {
        pthread_barrierattr_t attributes;
        pthread_barrierattr_init(&attributes);
        pthread_barrierattr_setpshared(&attributes, PTHREAD_PROCESS_SHARED);
        pthread_barrier_init(
            &page->threads, &attributes, (unsigned)(thread_count * settings->ranks));
    }
    pthread_barrier_wait(&page->ranks);
}

// The seconds from the first thread's start to the last one's end, of every round.
static void measure_threads(
    const struct settings *settings, struct end *ends, int end_count, int thread_count,
    long end_bytes, double seconds[ROUNDS]
) {
    prepare_barrier(settings, thread_count);
    struct thread *threads = calloc((size_t)thread_count, sizeof *threads);
    require(threads != NULL, "calloc");
    for (int index = 0; index < end_count; index++) {
        struct thread *thread = threads + index % thread_count;
        thread->ends[thread->end_count++] = ends + index;
    }
    for (int index = thread_count - 1; index >= 0; index--) {
        threads[index].barrier = &settings->page->threads;
        threads[index].end_bytes = end_bytes;
        if (index == 0) {
            run_thread(threads);
        } else {
            errno = pthread_create(&threads[index].handle, NULL, run_thread, threads + index);
            require(errno == 0, "pthread_create");
        }
    }
    for (int index = 1; index < thread_count; index++) pthread_join(threads[index].handle, NULL);
    for (int round = 0; round < ROUNDS; round++) {
        double start = threads[0].starts[round], stop = threads[0].stops[round];
        for (int index = 1; index < thread_count; index++) {
            if (threads[index].starts[round] < start) start = threads[index].starts[round];
            if (threads[index].stops[round] > stop) stop = threads[index].stops[round];
        }
        seconds[round] = stop - start;
    }
    free(threads);
}

static struct sockaddr_in address(const char *host, int port) {
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    require(inet_pton(AF_INET, host, &address.sin_addr) == 1, host);
    return address;
}

static int open_socket(void) {
    int opened = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    require(opened >= 0, "socket");
    return opened;
}

// Says where it listens, hears of all, and connects with all; sending and receiving ends in turn.
static int open_streams(const struct settings *settings, struct end *ends) {
    int listener = open_socket(), yes = 1;
    struct sockaddr_in own = address(settings->host, 0);
    socklen_t size = sizeof own;
    require(bind(listener, (struct sockaddr *)&own, size) == 0, "bind");
    require(listen(listener, ENDS_MAX) == 0, "listen");
    require(getsockname(listener, (struct sockaddr *)&own, &size) == 0, "getsockname");
    printf("at %s:%d\n", settings->host, ntohs(own.sin_port));
    fflush(stdout);
    char line[LINE_BYTES];
    char *word = strtok(hear(line), " ");
    int count = 0;
    for (int rank = 0; rank < settings->ranks; rank++, word = strtok(NULL, " ")) {
        require(word != NULL, "a rank without an address");
        if (rank == settings->rank) continue;
        char *colon = strchr(word, ':');
        require(colon != NULL, word);
        *colon = 0;
        struct sockaddr_in other = address(word, atoi(colon + 1));
        for (int stream = 0; stream < settings->streams; stream++, count += 2) {
            int sending = open_socket();
            require(connect(sending, (struct sockaddr *)&other, sizeof other) == 0, "connect");
            setsockopt(sending, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
            ends[count] = (struct end){sending, 1, 0};
        }
    }
    for (int index = 1; index < count; index += 2) {
        ends[index] = (struct end){accept(listener, NULL, NULL), 0, 0};
        require(ends[index].socket >= 0, "accept");
    }
    close(listener);
    return count;
}

static void measure(const struct settings *settings, long bytes) {
    struct end ends[ENDS_MAX];
    int end_count = open_streams(settings, ends);
    // 2 (P - 1) / P of the bytes leave a rank, over P - 1 times as many streams.
    long parts = (long)settings->ranks * settings->streams;
    long end_bytes = (2 * bytes + parts - 1) / parts;
    int thread_counts[] = {1, 2, end_count}, ways = end_count > 2 ? 3 : 2;
    for (int way = 0; way < ways; way++) {
        double seconds[ROUNDS];
        measure_threads(settings, ends, end_count, thread_counts[way], end_bytes, seconds);
        say_rounds(seconds, way == 0, way == ways - 1);
    }
    for (int index = 0; index < end_count; index++) close(ends[index].socket);
}

int main(int count, char **arguments) {
    if (count != 6) return 64;
    struct settings settings = {
        .rank = atoi(arguments[1]), .ranks = atoi(arguments[2]), .host = arguments[4],
        .streams = atoi(arguments[5]),
        .page = map_shared(arguments[3], sizeof *settings.page),
    };
    int end_count = 2 * (settings.ranks - 1) * settings.streams;
    if (end_count < 2 || end_count > ENDS_MAX) return 64;
    char line[LINE_BYTES];
    while (1) measure(&settings, atol(hear(line)));
}
