/*
 * rdmaprobe: registers memory with soft RoCE, moves data into it and out of it, and says what
 * became of both.
 *
 * Its arguments are operations: those of probe.h, and
 *
 *   open:NETDEV        an rxe device on that network device, and two queue pairs of it that are
 *                      connected to each other, so that nothing leaves the guest
 *   register:ACCESS    ibv_reg_mr() of the whole mapping: r or rw, and p for what may be flushed
 *                      to persistence
 *   write:FIRST        RDMA WRITE of a pattern to what is registered, from byte FIRST on
 *   read:FIRST         RDMA READ of the same, held against the pattern
 *   fill:FIRST         the pattern, written to the mapping by the CPU
 *   compare:FIRST      the mapping held against the pattern by the CPU
 *   deregister         ibv_dereg_mr()
 *   close              all that open made is taken away
 *   count:NAME         pins of this process and of the kernel
 *
 * The pattern is another one in each run: what a device keeps is not mistaken for it.
 */
#define _GNU_SOURCE
#include <stdint.h>
#include <time.h>

#include <infiniband/verbs.h>
#include <netlink/msg.h>
#include <netlink/netlink.h>
#include <rdma/rdma_netlink.h>

#include "probe.h"

#define DEVICE "rxe0"
#define PORT 1
#define CHUNK (1UL << 20)
#define GIDS 256
/* include/rdma/ib_verbs.h IB_ACCESS_FLUSH_PERSISTENT, from 6.2; newer libibverbs have it, too. */
#define ACCESS_FLUSH_PERSISTENT (1 << 9)

static struct ibv_context *context;
static struct ibv_pd *domain;
static struct ibv_cq *completions;
static struct ibv_qp *pair[2];
static struct ibv_mr *buffer, *region;
static uint64_t salt;

static uint64_t pattern(size_t offset)
{
	return (offset + 1) * 0x9e3779b97f4a7c15UL ^ salt;
}

static void put_pattern(char *at, size_t offset, size_t length)
{
	size_t done;

	for (done = 0; done < length; done += sizeof(uint64_t))
		*(uint64_t *)(at + done) = pattern(offset + done);
}

/* Bytes up to the first that is not the pattern's. */
static size_t holds_pattern(const char *at, size_t offset, size_t length)
{
	size_t done = 0;

	while (done < length && *(const uint64_t *)(at + done) == pattern(offset + done))
		done += sizeof(uint64_t);
	return done;
}

static void nl_die(const char *what, int error)
{
	fprintf(stderr, "rdmaprobe: %s: %s\n", what, nl_geterror(error));
	exit(2);
}

/* As `rdma link add` and `rdma link delete` do it (iproute2); takes the message. */
static void ask_rdma(const char *what, struct nl_msg *message)
{
	struct nl_sock *socket = nl_socket_alloc();
	int error = nl_connect(socket, NETLINK_RDMA);

	if (!error)
		error = nl_send_sync(socket, message);
	/* What a run that was killed left behind will do. */
	if (error && error != -NLE_EXIST)
		nl_die(what, error);
	nl_socket_free(socket);
}

static struct nl_msg *rdma_message(int command)
{
	int type = RDMA_NL_GET_TYPE(RDMA_NL_NLDEV, command);

	return nlmsg_alloc_simple(type, NLM_F_REQUEST | NLM_F_ACK);
}

static void add_link(const char *netdev)
{
	struct nl_msg *message = rdma_message(RDMA_NLDEV_CMD_NEWLINK);

	nla_put_string(message, RDMA_NLDEV_ATTR_DEV_NAME, DEVICE);
	nla_put_string(message, RDMA_NLDEV_ATTR_LINK_TYPE, "rxe");
	nla_put_string(message, RDMA_NLDEV_ATTR_NDEV_NAME, netdev);
	ask_rdma("an rxe device", message);
}

static void delete_link(int index)
{
	struct nl_msg *message = rdma_message(RDMA_NLDEV_CMD_DELLINK);

	nla_put_u32(message, RDMA_NLDEV_ATTR_DEV_INDEX, index);
	ask_rdma("taking the rxe device away", message);
}

static void open_device(void)
{
	struct ibv_device **all = ibv_get_device_list(NULL), **one;

	for (one = all; one && *one; one++)
		if (!strcmp(ibv_get_device_name(*one), DEVICE))
			context = ibv_open_device(*one);
	if (!context)
		die(DEVICE);
	ibv_free_device_list(all);
}

/* The GID of the network device's IPv4 address; its number. */
static int find_gid(union ibv_gid *gid)
{
	static const uint8_t prefix[12] = { [10] = 0xff, [11] = 0xff };
	int index;

	for (index = 0; index < GIDS; index++)
		if (!ibv_query_gid(context, PORT, index, gid) &&
		    !memcmp(gid->raw, prefix, sizeof(prefix)))
			return index;
	errno = EADDRNOTAVAIL;
	die("an IPv4 address of the network device");
	return -1;
}

static void make_queue_pair(struct ibv_qp **made)
{
	struct ibv_qp_init_attr wanted = {
		.send_cq = completions,
		.recv_cq = completions,
		.cap = { .max_send_wr = 1, .max_recv_wr = 1, .max_send_sge = 1, .max_recv_sge = 1 },
		.qp_type = IBV_QPT_RC,
	};

	*made = ibv_create_qp(domain, &wanted);
	if (!*made)
		die("a queue pair");
}

static void change(struct ibv_qp *qp, struct ibv_qp_attr *to, int mask)
{
	int error = ibv_modify_qp(qp, to, mask | IBV_QP_STATE);

	if (error) {
		errno = error;
		die("the state of a queue pair");
	}
}

static void connect_pair(struct ibv_qp *qp, struct ibv_qp *peer)
{
	struct ibv_qp_attr init = {
		.qp_state = IBV_QPS_INIT,
		.port_num = PORT,
		.qp_access_flags = IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE,
	};
	struct ibv_qp_attr receive = {
		.qp_state = IBV_QPS_RTR,
		.path_mtu = IBV_MTU_4096,
		.dest_qp_num = peer->qp_num,
		.max_dest_rd_atomic = 1,
		.min_rnr_timer = 12,
		.ah_attr = { .is_global = 1, .port_num = PORT, .grh = { .hop_limit = 1 } },
	};
	/* An emulated CPU may take its time: 4 s each try. */
	struct ibv_qp_attr send = {
		.qp_state = IBV_QPS_RTS, .timeout = 20, .retry_cnt = 7, .rnr_retry = 7,
		.max_rd_atomic = 1,
	};

	change(qp, &init, IBV_QP_PKEY_INDEX | IBV_QP_PORT | IBV_QP_ACCESS_FLAGS);
	receive.ah_attr.grh.sgid_index = find_gid(&receive.ah_attr.grh.dgid);
	change(qp, &receive, IBV_QP_AV | IBV_QP_PATH_MTU | IBV_QP_DEST_QPN | IBV_QP_RQ_PSN |
	       IBV_QP_MAX_DEST_RD_ATOMIC | IBV_QP_MIN_RNR_TIMER);
	change(qp, &send, IBV_QP_TIMEOUT | IBV_QP_RETRY_CNT | IBV_QP_RNR_RETRY | IBV_QP_SQ_PSN |
	       IBV_QP_MAX_QP_RD_ATOMIC);
}

static void open_all(const char *netdev)
{
	char *memory = mmap(BESIDE, CHUNK, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	salt = (uint64_t)now.tv_sec << 30 ^ now.tv_nsec;
	add_link(netdev);
	open_device();
	domain = ibv_alloc_pd(context);
	completions = ibv_create_cq(context, 4, NULL, NULL, 0);
	if (memory == MAP_FAILED || !domain || !completions)
		die("a completion queue and a buffer");
	make_queue_pair(&pair[0]);
	make_queue_pair(&pair[1]);
	connect_pair(pair[0], pair[1]);
	connect_pair(pair[1], pair[0]);
	buffer = ibv_reg_mr(domain, memory, CHUNK, IBV_ACCESS_LOCAL_WRITE);
	if (!buffer)
		die("a registered buffer");
	say("{\"op\": \"open\", \"mtu\": %d}", 128 << IBV_MTU_4096);
}

static void close_all(void)
{
	int index = ibv_get_device_index(context->device);
	int failed = ibv_dereg_mr(buffer) || ibv_destroy_qp(pair[0]) || ibv_destroy_qp(pair[1]) ||
		ibv_destroy_cq(completions) || ibv_dealloc_pd(domain) || ibv_close_device(context);

	if (failed)
		die("closing " DEVICE);
	delete_link(index);
	say("{\"op\": \"close\"}");
}

static long microseconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void register_memory(const char *letters)
{
	int access = IBV_ACCESS_REMOTE_READ, error = 0;
	long start;

	if (strchr(letters, 'w'))
		access |= IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_WRITE;
	if (strchr(letters, 'p'))
		access |= ACCESS_FLUSH_PERSISTENT;
	start = microseconds();
	region = ibv_reg_mr(domain, base, mapped, access);
	if (!region)
		error = errno;
	say("{\"op\": \"register\", \"errno\": %d, \"us\": %ld}", error, microseconds() - start);
}

static void deregister(void)
{
	long start = microseconds();
	int error = ibv_dereg_mr(region);

	say("{\"op\": \"deregister\", \"errno\": %d, \"us\": %ld}", error, microseconds() - start);
	region = NULL;
}

/* One work request from the first queue pair to memory that the second one serves. */
static enum ibv_wc_status transfer(enum ibv_wr_opcode opcode, size_t offset, size_t length)
{
	struct ibv_sge piece = { (uintptr_t)buffer->addr, length, buffer->lkey };
	struct ibv_send_wr request = {
		.sg_list = &piece,
		.num_sge = 1,
		.opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.wr.rdma = { (uintptr_t)region->addr + offset, region->rkey },
	}, *bad;
	struct ibv_wc done;
	int found;

	errno = ibv_post_send(pair[0], &request, &bad);
	if (errno)
		die("a work request");
	while (!(found = ibv_poll_cq(completions, 1, &done)))
		usleep(100);
	if (found < 0)
		die("a completion");
	return done.status;
}

/* To the first piece that fails, or that is not what it should be. */
static void move(const char *op, enum ibv_wr_opcode opcode, size_t first)
{
	enum ibv_wc_status status = IBV_WC_SUCCESS;
	size_t done = first, good = first, length;

	for (; done == good && done < region->length; done += length) {
		length = region->length - done < CHUNK ? region->length - done : CHUNK;
		if (opcode == IBV_WR_RDMA_WRITE)
			put_pattern(buffer->addr, done, length);
		else
			memset(buffer->addr, 0, length);
		status = transfer(opcode, done, length);
		if (status == IBV_WC_SUCCESS)
			good += opcode == IBV_WR_RDMA_WRITE ? length :
				holds_pattern(buffer->addr, done, length);
	}
	say("{\"op\": \"%s\", \"status\": \"%s\", \"bytes\": %zu}", op, ibv_wc_status_str(status),
	    good - first);
}

static void count(const char *name)
{
	long own = value_of(text_of("/proc/self/status"), "VmPin");
	const char *text = vmstat();

	say("{\"op\": \"count\", \"name\": \"%s\", \"VmPin_kB\": %ld, "
	    "\"nr_foll_pin_acquired\": %ld, \"nr_foll_pin_released\": %ld, "
	    "\"thp_fault_alloc\": %ld}",
	    name, own, value_of(text, "nr_foll_pin_acquired"),
	    value_of(text, "nr_foll_pin_released"), value_of(text, "thp_fault_alloc"));
}

static void compare(size_t first)
{
	say("{\"op\": \"compare\", \"bytes\": %zu}",
	    holds_pattern(base + first, first, mapped - first));
}

static void fill(size_t first)
{
	put_pattern(base + first, first, mapped - first);
	say("{\"op\": \"fill\"}");
}

/* Without a mapping, or where it was not registered, there is nothing to do. */
static void on_memory(const char *op, char *word)
{
	int needs_mapping = !strcmp(op, "register") || !strcmp(op, "fill");

	if (needs_mapping ? !mapped : !region)
		say("{\"op\": \"%s\", \"skipped\": true}", op);
	else if (!strcmp(op, "register"))
		register_memory(word);
	else if (!strcmp(op, "fill"))
		fill(number(&word));
	else if (!strcmp(op, "write"))
		move(op, IBV_WR_RDMA_WRITE, number(&word));
	else if (!strcmp(op, "read"))
		move(op, IBV_WR_RDMA_READ, number(&word));
	else if (!strcmp(op, "compare"))
		compare(number(&word));
	else if (!strcmp(op, "deregister"))
		deregister();
	else
		errno = EINVAL, die(op);
}

int main(int argc, char **argv)
{
	char **words = argv + 1, *op;

	for (; words < argv + argc; words++) {
		op = strsep(words, ":");
		if (did_mapping(op, *words))
			continue;
		if (!strcmp(op, "open"))
			open_all(*words);
		else if (!strcmp(op, "close"))
			close_all();
		else if (!strcmp(op, "count"))
			count(*words);
		else
			on_memory(op, *words);
	}
	return 0;
}
