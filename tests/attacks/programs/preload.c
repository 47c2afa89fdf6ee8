// SPDX-License-Identifier: Apache-2.0
/*
 * A shared object that is not in the root image, preloaded into a program that is. KAPU_ATTACK says
 * what it does there: nothing; listen: on TCP port 4444; raw: a packet socket with a filter, no
 * port; peer: a connection to somebody whom policy does not know. READY names a file that it makes
 * then.
 */
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <string.h>
#include <sys/socket.h>

#include "attack.h"

#define PORT 4444
#define SOMEBODY "10.0.2.77"

static void listen_to_port(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int s = socket(AF_INET, SOCK_STREAM, 0);

    must(s >= 0 && bind(s, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(s, 1) == 0, "listen");
}

static void sniff(void)
{
    struct sock_filter all[] = {{BPF_RET | BPF_K, 0, 0, 0xffff}};
    struct sock_fprog filter = {1, all};
    int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));

    must(s >= 0 && setsockopt(s, SOL_SOCKET, SO_ATTACH_FILTER, &filter, sizeof(filter)) == 0,
         "packet socket");
}

static void talk_to_somebody(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(PORT)};
    int s = socket(AF_INET, SOCK_DGRAM, 0);

    inet_pton(AF_INET, SOMEBODY, &a.sin_addr);
    must(s >= 0 && connect(s, (struct sockaddr *)&a, sizeof(a)) == 0, "connect");
}

__attribute__((constructor)) static void start(void)
{
    const char *what = getenv("KAPU_ATTACK"), *ready = getenv("READY");

    if (what == NULL || ready == NULL)
        return;
    if (strcmp(what, "listen") == 0)
        listen_to_port();
    else if (strcmp(what, "raw") == 0)
        sniff();
    else if (strcmp(what, "peer") == 0)
        talk_to_somebody();
    must(open(ready, O_WRONLY | O_CREAT, 0600) >= 0, ready);
}
