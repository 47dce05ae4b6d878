/*
 * What daxprobe shows of a file by read(), write() and stat(), all in files that it makes and
 * removes:
 *
 *   sparse:SIZE:WRITTEN:PATH            read() of more than a file of SIZE bytes has, of which the
 *                                       first WRITTEN were written
 *   stale:LENGTH:STRIDE:PATH            of a file of LENGTH bytes that is full every other STRIDE is
 *                                       made a hole, in which one byte is written: bytes beside it
 *                                       that are not zero
 *   store-time:PATH                     what a store through a shared mapping makes of a time of
 *                                       modification that was set to 1970
 */
#ifndef FILES_H
#define FILES_H

#include <sys/stat.h>

#include "probe.h"

/* More than a file system reads at once, so that where a file ends is its to know. */
#define BEHIND (1UL << 20)
#define FILLED 0xaa

static int new_file(const char *path)
{
	int file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (file < 0)
		die(path);
	return file;
}

static unsigned char *room_of(size_t size, int byte)
{
	unsigned char *room = malloc(size);

	if (!room)
		die("malloc");
	return memset(room, byte, size);
}

static void write_at(int file, const void *what, size_t size, size_t offset)
{
	if (pwrite(file, what, size, offset) != (ssize_t)size)
		die("write");
}

static void read_sparse(char *words)
{
	size_t size = number(&words), written = number(&words);
	unsigned char *room = room_of(size + BEHIND, FILLED);
	int file = new_file(words);
	ssize_t got;

	write_at(file, room, written, 0);
	if (ftruncate(file, size))
		die("truncate");
	got = pread(file, room, size + BEHIND, 0);
	say("{\"op\": \"sparse\", \"errno\": %d, \"bytes\": %zd}", got < 0 ? errno : 0, got);
	close(file);
	unlink(words);
	free(room);
}

/* Every other STRIDE, from the second on, is a hole afterwards whose block is free. */
static void make_holes(int file, size_t length, size_t stride)
{
	size_t at;

	for (at = stride; at < length; at += 2 * stride)
		if (fallocate(file, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, at, stride))
			die("fallocate");
	/* It is free once the journal says so. */
	sync();
}

static void look_for_stale(char *words)
{
	size_t length = number(&words), stride = number(&words), at, stale = 0;
	unsigned char *room = room_of(length, FILLED);
	int file = new_file(words);

	write_at(file, room, length, 0);
	if (fsync(file))
		die("fsync");
	make_holes(file, length, stride);
	/* The block nearest to its neighbours is the one that was there. */
	for (at = stride + stride / 2; at < length; at += 2 * stride)
		write_at(file, room, 1, at);
	if (pread(file, room, length, 0) != (ssize_t)length)
		die("read");
	for (at = 0; at < length; at++)
		stale += at / stride % 2 && at % stride != stride / 2 && room[at];
	say("{\"op\": \"stale\", \"bytes\": %zu}", stale);
	close(file);
	unlink(words);
	free(room);
}

static void store_time(char *words)
{
	const struct timespec then[2] = { { 0, 0 }, { 0, 0 } };
	size_t page = sysconf(_SC_PAGESIZE);
	int file = new_file(words);
	struct stat now;
	char *at;

	if (ftruncate(file, page))
		die("truncate");
	at = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (at == MAP_FAILED || futimens(file, then))
		die(words);
	*(volatile char *)at = 1;
	if (msync(at, page, MS_SYNC) || fstat(file, &now))
		die(words);
	say("{\"op\": \"store-time\", \"modified\": %lld, \"changed\": %lld}",
	    (long long)now.st_mtime, (long long)now.st_ctime);
	munmap(at, page);
	close(file);
	unlink(words);
}

/* Does one of the operations above; 0 for any other. */
static int did_file(const char *op, char *words)
{
	if (!strcmp(op, "sparse"))
		read_sparse(words);
	else if (!strcmp(op, "stale"))
		look_for_stale(words);
	else if (!strcmp(op, "store-time"))
		store_time(words);
	else
		return 0;
	return 1;
}

#endif
