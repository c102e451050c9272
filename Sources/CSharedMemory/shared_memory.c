// SPDX-License-Identifier: Apache-2.0
#define _GNU_SOURCE
#include "CSharedMemory.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static const int size_seals = F_SEAL_SHRINK | F_SEAL_GROW;

static int failure(int descriptor) {
    int code = errno;
    close(descriptor);
    return -code;
}

int accord_segment_create(size_t bytes) {
    int descriptor = memfd_create("accord", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (descriptor < 0) return -errno;
    if (ftruncate(descriptor, (off_t)bytes) < 0) return failure(descriptor);
    if (fcntl(descriptor, F_ADD_SEALS, size_seals | F_SEAL_SEAL) < 0) return failure(descriptor);
    return descriptor;
}

size_t accord_segment_bytes(int descriptor) {
    struct stat status;
    int seals = fcntl(descriptor, F_GET_SEALS);
    if (seals < 0 || (seals & size_seals) != size_seals) return 0;
    if (fstat(descriptor, &status) < 0) return 0;
    return (size_t)status.st_size;
}

int accord_segment_release(int descriptor, size_t offset, size_t bytes) {
    int mode = FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE;
    return fallocate(descriptor, mode, (off_t)offset, (off_t)bytes) < 0 ? -errno : 0;
}

/// A name that starts with a zero byte is no file.
static socklen_t make_address(struct sockaddr_un *address, const char *name) {
    size_t count = strnlen(name, sizeof address->sun_path - 1);
    memset(address, 0, sizeof *address);
    address->sun_family = AF_UNIX;
    memcpy(address->sun_path + 1, name, count);
    return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + count);
}

int accord_doorbell_open(const char *name) {
    int doorbell = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (doorbell < 0) return -errno;
    struct sockaddr_un address;
    socklen_t length = make_address(&address, name);
    int yes = 1;
    if (setsockopt(doorbell, SOL_SOCKET, SO_PASSCRED, &yes, sizeof yes) < 0
        || bind(doorbell, (struct sockaddr *)&address, length) < 0)
        return failure(doorbell);
    return doorbell;
}

int accord_doorbell_ring(
    int doorbell, const char *name, const void *bytes, size_t count, int descriptor) {
    struct sockaddr_un address;
    struct iovec part = {.iov_base = (void *)bytes, .iov_len = count};
    union {
        struct cmsghdr header;
        char bytes[CMSG_SPACE(sizeof(int))];
    } control;
    struct msghdr message = {
        .msg_name = &address,
        .msg_namelen = make_address(&address, name),
        .msg_iov = &part,
        .msg_iovlen = 1,
    };
    if (descriptor >= 0) {
        memset(&control, 0, sizeof control);
        message.msg_control = &control;
        message.msg_controllen = sizeof control;
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof descriptor);
        memcpy(CMSG_DATA(header), &descriptor, sizeof descriptor);
    }
    ssize_t sent;
    do sent = sendmsg(doorbell, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent < 0 ? -errno : 0;
}

ssize_t accord_doorbell_take(
    int doorbell, void *bytes, size_t capacity, int *descriptor, bool *lost, uid_t *user) {
    struct iovec part = {.iov_base = bytes, .iov_len = capacity};
    union {
        struct cmsghdr header;
        // A sender may put more descriptors into a datagram than one; the kernel closes those for
        // which there is no room.
        char bytes[CMSG_SPACE(sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
    } control;
    struct msghdr message = {
        .msg_iov = &part,
        .msg_iovlen = 1,
        .msg_control = &control,
        .msg_controllen = sizeof control,
    };
    *descriptor = -1;
    *lost = false;
    *user = (uid_t)-1;
    ssize_t count;
    do count = recvmsg(doorbell, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    while (count < 0 && errno == EINTR);
    if (count < 0) return -errno;
    struct cmsghdr *header = CMSG_FIRSTHDR(&message);
    for (; header != NULL; header = CMSG_NXTHDR(&message, header)) {
        if (header->cmsg_level != SOL_SOCKET) continue;
        if (header->cmsg_type == SCM_CREDENTIALS) {
            struct ucred sender;
            memcpy(&sender, CMSG_DATA(header), sizeof sender);
            *user = sender.uid;
        } else if (header->cmsg_type == SCM_RIGHTS) {
            size_t room = (header->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            for (size_t i = 0; i < room; i++) {
                int received;
                memcpy(&received, CMSG_DATA(header) + i * sizeof(int), sizeof received);
                if (*descriptor < 0) *descriptor = received;
                else close(received);
            }
        }
    }
    // There is always room for one, so one that has not come could not be opened.
    *lost = *descriptor < 0 && (message.msg_flags & MSG_CTRUNC) != 0;
    return count;
}
