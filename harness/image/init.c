/*
 * Process 1 of a guest: mounts, drivers, the lines to the harness, network, ssh.
 *
 * A program of its own, linked statically: emulated, a shell script that does the same takes a
 * quarter of a second longer, since each process that it starts is code to be translated.
 *
 * The lines are virtio-serial ports, found by their names: what comes by daxhound.commands is
 * a script, whose output goes back there, and its errors by daxhound.errors; daxhound.aside
 * has a shell as soon as it is spoken to. They are no terminals, so that every byte gets
 * through. With a host key among the files there is dropbear as well. For a person
 * (daxhound.interactive=TTY) there is a shell on a terminal, and its end is the guest's.
 *
 * The console is judged, so one line is all that may appear there, and nothing mutes it.
 */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define HOST_KEY "/etc/dropbear/dropbear_ed25519_host_key"
#define PORTS "/sys/class/virtio-ports"
#define SHELL_ENDED "\ndaxhound: the shell has ended\n"

/* Drivers make their devices in a work queue, maybe after this program started. */
#define WAIT_US 20000000
#define PAUSE_US 2000
#define LONG_PAUSE_US 100000

/* The one thing that is ever said on the console, and what kept it from being said. */
static void say(const char *line)
{
	if (write(STDOUT_FILENO, line, strlen(line)) < 0)
		return; /* there is nobody else to be told */
}

static void power_off(void)
{
	sync();
	reboot(RB_POWER_OFF);
}

static void give_up(const char *what)
{
	char line[200];

	snprintf(line, sizeof(line), "daxhound: init: %s: %s\n", what, strerror(errno));
	say(line);
	power_off();
}

static void mount_all(void)
{
	static const struct {
		const char *type, *where, *options;
	} mounts[] = {
		{ "devtmpfs", "/dev", NULL },
		{ "proc", "/proc", NULL },
		{ "sysfs", "/sys", NULL },
		{ "debugfs", "/sys/kernel/debug", NULL },
		{ "tmpfs", "/run", "mode=755" },
		{ "tmpfs", "/tmp", "mode=1777" },
	};
	size_t i;

	/* What a kernel was built without is missed by whoever needs it. */
	for (i = 0; i < sizeof(mounts) / sizeof(*mounts); i++)
		mount(mounts[i].type, mounts[i].where, mounts[i].type, 0, mounts[i].options);
}

/* A process with these as its standard files, or init's own where they are negative. */
static pid_t start(const char *path, char *const words[], int in, int out, int error)
{
	pid_t child = vfork();

	if (child == 0) {
		if (in >= 0)
			dup2(in, STDIN_FILENO);
		if (out >= 0)
			dup2(out, STDOUT_FILENO);
		if (error >= 0)
			dup2(error, STDERR_FILENO);
		execv(path, words);
		_exit(127);
	}
	return child;
}

static int succeeded(pid_t child)
{
	int status;

	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static pid_t start_shell(int in, int out, int error)
{
	static char *const words[] = { "sh", NULL };

	return start("/bin/sh", words, in, out, error);
}

/* Drivers of a kernel that has them as modules, before anybody asks for their devices. */
static void load_modules(void)
{
	FILE *names = fopen("/etc/modules", "re");
	int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
	char name[128];

	while (names && fscanf(names, "%127s", name) == 1) {
		char *const words[] = { "modprobe", "-q", name, NULL };

		succeeded(start("/usr/bin/busybox", words, nothing, nothing, nothing));
	}
	if (names)
		fclose(names);
	close(nothing);
}

static void set_address(const char *device, const char *address, const char *mask)
{
	struct sockaddr_in *in;
	struct ifreq request = { 0 };
	int any = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

	strncpy(request.ifr_name, device, IFNAMSIZ - 1);
	in = (struct sockaddr_in *)&request.ifr_addr;
	in->sin_family = AF_INET;
	inet_pton(AF_INET, address, &in->sin_addr);
	ioctl(any, SIOCSIFADDR, &request);
	inet_pton(AF_INET, mask, &in->sin_addr);
	ioctl(any, SIOCSIFNETMASK, &request);
	request.ifr_flags = IFF_UP | IFF_RUNNING;
	ioctl(any, SIOCSIFFLAGS, &request);
	close(any);
}

/*
 * dropbear forks away after it listens (daemon() in its svr-main.c): once it has returned, ssh
 * accepts. Without -E, since its log belongs on no judged console.
 */
static pid_t start_ssh(void)
{
	static char *const words[] = { "dropbear", "-s", "-j", "-k", "-r", HOST_KEY,
				       "-P", "/run/dropbear.pid", NULL };

	return access(HOST_KEY, R_OK) ? 0 : start("/usr/sbin/dropbear", words, -1, -1, -1);
}

/* The device of the port of that name; -1 where there is none yet. */
static int open_port_now(const char *name)
{
	DIR *ports = opendir(PORTS);
	struct dirent *entry;
	int port = -1;

	while (ports && port < 0 && (entry = readdir(ports))) {
		char path[sizeof(PORTS) + 300], said[64] = "";
		int file;

		snprintf(path, sizeof(path), PORTS "/%s/name", entry->d_name);
		file = open(path, O_RDONLY | O_CLOEXEC);
		if (file < 0)
			continue;
		if (read(file, said, sizeof(said) - 1) > 0)
			said[strcspn(said, "\n")] = 0;
		if (!strcmp(said, name)) {
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			port = open(path, O_RDWR | O_CLOEXEC);
		}
		close(file);
	}
	if (ports)
		closedir(ports);
	return port;
}

static int open_terminal_now(const char *path)
{
	return open(path, O_RDWR | O_NOCTTY);
}

/* -1 where the device did not come. */
static int open_once_there(int (*open_now)(const char *), const char *name)
{
	int file, waited;

	for (waited = 0; (file = open_now(name)) < 0; waited += PAUSE_US) {
		if (waited >= WAIT_US)
			return -1;
		usleep(PAUSE_US);
	}
	return file;
}

static int open_port(const char *name)
{
	return open_once_there(open_port_now, name);
}

/* Until the host is there, a port reads as if it had ended. */
static void wait_for_host(int port)
{
	struct pollfd poller = { .fd = port, .events = POLLIN };

	while (poll(&poller, 1, 0) < 0 || poller.revents & POLLHUP)
		usleep(PAUSE_US);
}

static void wait_for_words(int port)
{
	struct pollfd poller = { .fd = port, .events = POLLIN };

	while (poll(&poller, 1, -1) < 0 || poller.revents & POLLHUP)
		usleep(LONG_PAUSE_US);
}

/* A shell beside the one of the steps, made when it is needed. */
static void serve_aside(int port)
{
	if (port < 0 || fork())
		return;
	for (;;) {
		wait_for_words(port);
		succeeded(start_shell(port, port, port));
	}
}

/* What few have a use for, and so nobody waits for. */
static void set_up_the_rest(void)
{
	set_address("eth0", "10.0.2.15", "255.255.255.0");
	set_address("lo", "127.0.0.1", "255.0.0.0");
	mkdir("/dev/pts", 0755);
	mount("devpts", "/dev/pts", "devpts", 0, "mode=620,ptmxmode=666");
}

/* For good: a shell that ends is told, on both lines, and followed by another. */
static void serve(int commands, int errors)
{
	pid_t shell;

	wait_for_host(commands);
	wait_for_host(errors);
	shell = start_shell(commands, commands, errors);
	set_up_the_rest();
	for (;;) {
		if (wait(NULL) != shell)
			continue; /* somebody's orphan */
		if (write(commands, SHELL_ENDED, strlen(SHELL_ENDED)) < 0 ||
		    write(errors, SHELL_ENDED, strlen(SHELL_ENDED)) < 0)
			usleep(PAUSE_US);
		shell = start_shell(commands, commands, errors);
	}
}

/* Whose steps come by ssh, which has shells of its own. */
static void serve_nobody(void)
{
	for (;;) {
		if (wait(NULL) < 0)
			usleep(LONG_PAUSE_US);
	}
}

/* With job control, for which the shell has to open its terminal by itself. */
static void serve_person(const char *terminal)
{
	static char *const words[] = { "sh", "-i", NULL };
	pid_t child;
	int tty = open_once_there(open_terminal_now, terminal);

	if (tty < 0)
		give_up(terminal);
	say("daxhound: ready\n");
	child = fork();
	if (child == 0) {
		setsid();
		tty = open(terminal, O_RDWR);
		dup2(tty, STDIN_FILENO);
		dup2(tty, STDOUT_FILENO);
		dup2(tty, STDERR_FILENO);
		execv("/bin/sh", words);
		_exit(127);
	}
	while (wait(NULL) != child)
		;
	power_off();
}

/* The terminal of a person's shell, or NULL. */
static const char *person(void)
{
	static char line[8192], path[64];
	FILE *file = fopen("/proc/cmdline", "re");
	char *word;

	if (!file || !fgets(line, sizeof(line), file))
		line[0] = 0;
	if (file)
		fclose(file);
	for (word = strtok(line, " \n"); word; word = strtok(NULL, " \n")) {
		if (strncmp(word, "daxhound.interactive=", 21) == 0) {
			snprintf(path, sizeof(path), "/dev/%s", word + 21);
			return path;
		}
	}
	return NULL;
}

int main(void)
{
	const char *terminal;
	int commands, errors;
	pid_t ssh;

	umask(022);
	setenv("PATH", "/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("TERM", "dumb", 1);
	if (chdir("/root"))
		give_up("/root");
	mount_all();
	load_modules();
	terminal = person();
	if (terminal) {
		set_up_the_rest();
		serve_person(terminal);
	}
	ssh = start_ssh();
	if (ssh)
		set_up_the_rest();
	commands = open_port("daxhound.commands");
	errors = open_port("daxhound.errors");
	if (commands < 0 || errors < 0)
		give_up("no port to be given commands by");
	if (ssh && !succeeded(ssh))
		give_up("dropbear");
	say("daxhound: ready\n");
	serve_aside(open_port("daxhound.aside"));
	if (ssh)
		serve_nobody();
	serve(commands, errors);
}
