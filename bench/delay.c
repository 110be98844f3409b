/* SPDX-License-Identifier: GPL-3.0-or-later */
/* delay - a network with a delay, for kernels that have no netem: forwards TCP connections of
 * 127.0.0.1 and hands each byte on a fixed time after it came, in both directions.
 *
 *	delay MILLISECONDS LISTEN-PORT TARGET-PORT
 *
 * Any number of bytes up to FLIGHT is on its way at once, in each direction of each connection: the
 * delay costs no rate to who sends ahead.  It acknowledges for the far end, so what TCP itself loses
 * by a delay (slow start, small windows) is not in it.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define FLIGHT ((size_t)64 << 20)
#define PIECE ((size_t)256 << 10)
#define NS_PER_S 1000000000L

struct piece {
	struct piece *next;
	struct timespec due;
	size_t len;
	char data[];
};

struct link { /* of a connection, both directions; freed by who leaves last */
	pthread_mutex_t lock;
	int fd[2];
	unsigned users;
};

struct way { /* one direction */
	struct link *link;
	int from, to; /* index into link->fd */
	long delay_ns;

	pthread_mutex_t lock; /* guards what follows */
	pthread_cond_t changed;
	struct piece *first, **last;
	size_t bytes;
	bool ended; /* no more will come, or nobody takes it */
	unsigned users;
};

static struct timespec later(long ns)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += ns % NS_PER_S;
	t.tv_sec += ns / NS_PER_S + t.tv_nsec / NS_PER_S;
	t.tv_nsec %= NS_PER_S;
	return t;
}

static void leave_link(struct link *link)
{
	unsigned left;

	pthread_mutex_lock(&link->lock);
	left = --link->users;
	pthread_mutex_unlock(&link->lock);
	if (left > 0)
		return;
	close(link->fd[0]);
	close(link->fd[1]);
	free(link);
}

static void leave(struct way *way)
{
	struct piece *piece;
	unsigned left;

	pthread_mutex_lock(&way->lock);
	way->ended = true;
	left = --way->users;
	pthread_cond_broadcast(&way->changed);
	pthread_mutex_unlock(&way->lock);
	if (left > 0)
		return;
	while ((piece = way->first)) {
		way->first = piece->next;
		free(piece);
	}
	leave_link(way->link);
	free(way);
}

/* false: the other side has gone. */
static bool put(struct way *way, struct piece *piece)
{
	bool taken;

	piece->due = later(way->delay_ns);
	piece->next = NULL;
	pthread_mutex_lock(&way->lock);
	while (way->bytes > FLIGHT && !way->ended)
		pthread_cond_wait(&way->changed, &way->lock);
	taken = !way->ended;
	if (taken) {
		*way->last = piece;
		way->last = &piece->next;
		way->bytes += piece->len;
	}
	pthread_cond_broadcast(&way->changed);
	pthread_mutex_unlock(&way->lock);
	return taken;
}

static struct piece *take(struct way *way)
{
	struct piece *piece;

	pthread_mutex_lock(&way->lock);
	while (!way->first && !way->ended)
		pthread_cond_wait(&way->changed, &way->lock);
	piece = way->first;
	if (piece) {
		way->first = piece->next;
		if (!way->first)
			way->last = &way->first;
		way->bytes -= piece->len;
	}
	pthread_cond_broadcast(&way->changed);
	pthread_mutex_unlock(&way->lock);
	return piece;
}

static void *receiver(void *arg)
{
	struct way *way = arg;
	struct piece *piece;
	ssize_t got;

	while ((piece = malloc(sizeof *piece + PIECE))) {
		got = recv(way->link->fd[way->from], piece->data, PIECE, 0);
		piece->len = got > 0 ? (size_t)got : 0;
		if (got <= 0 || !put(way, piece)) {
			free(piece);
			break;
		}
	}
	leave(way);
	return NULL;
}

static bool send_all(int fd, const char *data, size_t len)
{
	ssize_t sent = 0;

	for (size_t done = 0; done < len; done += (size_t)sent) {
		sent = send(fd, data + done, len - done, MSG_NOSIGNAL);
		if (sent < 0)
			return false;
	}
	return true;
}

static void *sender(void *arg)
{
	struct way *way = arg;
	struct piece *piece;
	bool going = true;

	while (going && (piece = take(way))) {
		while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &piece->due, NULL) == EINTR)
			;
		going = send_all(way->link->fd[way->to], piece->data, piece->len);
		free(piece);
	}
	shutdown(way->link->fd[way->to], SHUT_WR);
	if (!going) /* wakes our receiver: nobody wants more of its bytes */
		shutdown(way->link->fd[way->from], SHUT_RD);
	leave(way);
	return NULL;
}

static bool start(void *(*function)(void *), void *arg)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, function, arg) != 0)
		return false;
	pthread_detach(thread);
	return true;
}

/* A failure to start a thread ends the program: a benchmark that lacks one is none. */
static void open_way(struct link *link, int from, long delay_ns)
{
	struct way *way = calloc(1, sizeof *way);

	if (!way)
		exit(71);
	*way = (struct way){
		.link = link, .from = from, .to = !from, .delay_ns = delay_ns, .users = 2};
	pthread_mutex_init(&way->lock, NULL);
	pthread_cond_init(&way->changed, NULL);
	way->last = &way->first;
	if (!start(receiver, way) || !start(sender, way))
		exit(71);
}

static struct sockaddr_in local(const char *port)
{
	return (struct sockaddr_in){.sin_family = AF_INET,
	                            .sin_port = htons((uint16_t)atoi(port)),
	                            .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
}

static void forward(int client, const char *target, long delay_ns)
{
	struct sockaddr_in address = local(target);
	struct link *link = calloc(1, sizeof *link);
	int server = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int yes = 1;

	if (!link || server < 0)
		exit(71);
	if (connect(server, (struct sockaddr *)&address, sizeof address) < 0) {
		close(client);
		close(server);
		free(link);
		return;
	}
	setsockopt(client, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	setsockopt(server, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
	*link = (struct link){.fd = {client, server}, .users = 2};
	pthread_mutex_init(&link->lock, NULL);
	open_way(link, 0, delay_ns);
	open_way(link, 1, delay_ns);
}

int main(int argc, char **argv)
{
	struct sockaddr_in address;
	int yes = 1;
	int listener;
	int client;

	if (argc != 4) {
		fprintf(stderr, "usage: delay MILLISECONDS LISTEN-PORT TARGET-PORT\n");
		return 64;
	}
	signal(SIGPIPE, SIG_IGN);
	address = local(argv[2]);
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
	if (bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
	    listen(listener, 64) < 0) {
		perror("delay");
		return 71;
	}
	while ((client = accept4(listener, NULL, NULL, SOCK_CLOEXEC)) >= 0)
		forward(client, argv[3], (long)(atof(argv[1]) * 1e6));
	perror("delay");
	return 71;
}
