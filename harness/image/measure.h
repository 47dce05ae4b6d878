/*
 * What daxprobe shows of the kernel before and after a command, all in one process: under
 * emulation a shell's own would cost as much as the command. These print text, the lines that
 * steps read as the kernel has them:
 *
 *   say:TEXT                            the text, after an empty line
 *   memory                              /proc/zoneinfo, vmstat and meminfo: free pages, and what
 *                                       holds struct pages or maps memory
 *   counters                            /proc/vmstat
 *   follow:FD[:FUNCTION]                FD, of /dev/kmsg, goes behind all messages that are there;
 *                                       a function's debug messages are asked for
 *   messages:FD[:TEXT]                  those from there on, or those that hold the text
 *   do:FD { ... }                       a command and its arguments, its standard output on FD;
 *                                       not where one before has failed
 *
 * The program ends as the last command did. What the kernel does not have is passed over.
 */
#ifndef MEASURE_H
#define MEASURE_H

#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include "probe.h"

extern char **environ;

/* How waitpid() tells of it; of a command that could not be started as of one that exited. */
static int command_end;

/* Room for all that is printed: nothing is allocated between two measurements. */
static void print_at_once(void)
{
	static char room[16384];

	setvbuf(stdout, room, _IOFBF, sizeof(room));
}

static int is_of_memory(const char *line)
{
	return !strncmp(line, "Node", 4) || !strncmp(line, "nr_memmap_pages", 15) ||
		!strncmp(line, "DirectMap", 9) || strstr(line, "pages free") ||
		strstr(line, "count:");
}

/* By lines, whatever the file's length: zoneinfo grows with nodes and CPUs. */
static void print_of_memory(const char *path)
{
	static char text[16384];
	int file = open(path, O_RDONLY);
	size_t length = 0;
	ssize_t got;

	if (file < 0)
		return;
	while ((got = read(file, text + length, sizeof(text) - 1 - length)) > 0) {
		char *line = text, *end;

		text[length + got] = 0;
		for (; (end = strchr(line, '\n')); line = end + 1) {
			*end = 0;
			if (is_of_memory(line))
				puts(line);
		}
		length = strlen(line);
		memmove(text, line, length);
	}
	close(file);
}

/* Whether the kernel took it does not matter. */
static void tell(const char *path, const char *what)
{
	int file = open(path, O_WRONLY);

	if (file < 0)
		return;
	if (write(file, what, strlen(what)) < 0)
		errno = 0;
	close(file);
}

/* Counters of free pages, too, are kept per CPU (vmstat() in probe.h). */
static void memory(void)
{
	tell("/proc/sys/vm/stat_refresh", "1");
	print_of_memory("/proc/zoneinfo");
	print_of_memory("/proc/vmstat");
	print_of_memory("/proc/meminfo");
}

static void follow(char *words)
{
	int log = number(&words);
	char query[128];

	if (words) {
		snprintf(query, sizeof(query), "func %s +p\n", words);
		tell("/proc/dynamic_debug/control", query);
	}
	lseek(log, 0, SEEK_END);
}

/* A record a read(); below the message there may be lines that name a device. */
static void messages(char *words)
{
	static char record[8192];
	int log = number(&words);
	ssize_t got;

	fcntl(log, F_SETFL, O_NONBLOCK);
	while ((got = read(log, record, sizeof(record) - 1)) > 0 || (got < 0 && errno == EPIPE)) {
		if (got < 0) {
			/* Overwritten before it was read; the next read() goes on behind. */
			puts("lost=1");
			continue;
		}
		record[got] = 0;
		*strchrnul(record, '\n') = 0;
		if (!words || strstr(record, words))
			puts(record);
	}
}

static void command(int output, char **words, char **end)
{
	posix_spawn_file_actions_t actions;
	char *brace = *end;
	pid_t child;
	int error;

	if (command_end)
		return;
	if (output == STDOUT_FILENO)
		fflush(stdout);
	*end = NULL;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
	error = posix_spawnp(&child, *words, &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	*end = brace;
	if (error) {
		/* In a shell's words and with its status. */
		fprintf(stderr, "%s: %s\n", *words,
			error == ENOENT ? "not found" : strerror(error));
		command_end = (error == ENOENT ? 127 : 126) << 8;
	} else if (waitpid(child, &command_end, 0) < 0) {
		die("waitpid");
	}
}

/* Where a signal killed the command, the shell is to see that and no exit status. */
static int end_like_command(void)
{
	fflush(stdout);
	if (!WIFSIGNALED(command_end))
		return WEXITSTATUS(command_end);
	signal(WTERMSIG(command_end), SIG_DFL);
	raise(WTERMSIG(command_end));
	return 128 + WTERMSIG(command_end);
}

static int did_measure(const char *op, char *words)
{
	if (!strcmp(op, "say"))
		printf("\n%s\n", words);
	else if (!strcmp(op, "memory"))
		memory();
	else if (!strcmp(op, "counters"))
		fputs(vmstat(), stdout);
	else if (!strcmp(op, "follow"))
		follow(words);
	else if (!strcmp(op, "messages"))
		messages(words);
	else
		return 0;
	return 1;
}

#endif
