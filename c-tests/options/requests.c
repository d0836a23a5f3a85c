/* ioctl(2) requests about interfaces on TCP and UDP sockets (`man 7 netdevice`): they ask the machine, not the socket.
 * What getifaddrs(3) did before netlink, and if_nametoindex(3) still does. */
#include "../options/opt.h"
#include <net/if.h>
#include <net/if_arp.h>
#include <net/route.h>
#include <linux/sockios.h>
#include <linux/ethtool.h>
#include <linux/wireless.h>

static struct ifreq named(const char *name) {
    struct ifreq r;
    memset(&r, 0, sizeof r);
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    return r;
}

int main(void) {
    alarm(8);
    for (int k = 0; k < 4; k++) {
        int fd = opt_socket(k);
        const char *n = kind_name[k];
        struct ifreq r = named("lo");
        fact("%s", n);
        res("SIOCGIFINDEX", ioctl(fd, SIOCGIFINDEX, &r));
        fact("index %d", r.ifr_ifindex);
        r = named("");
        r.ifr_ifindex = 1;
        res("SIOCGIFNAME", ioctl(fd, SIOCGIFNAME, &r));
        fact("name %s", r.ifr_name);
        r = named("");
        r.ifr_ifindex = 99999;
        res("SIOCGIFNAME of none", ioctl(fd, SIOCGIFNAME, &r));
        r = named("lo");
        res("SIOCGIFADDR", ioctl(fd, SIOCGIFADDR, &r));
        fact("address %s", k & 1 ? "of a v6 socket" : addr_text(&r.ifr_addr, 0, 0));
        res("SIOCGIFNETMASK", ioctl(fd, SIOCGIFNETMASK, &r));
        res("SIOCGIFBRDADDR", ioctl(fd, SIOCGIFBRDADDR, &r));
        res("SIOCGIFDSTADDR", ioctl(fd, SIOCGIFDSTADDR, &r));
        r = named("lo");
        res("SIOCGIFFLAGS", ioctl(fd, SIOCGIFFLAGS, &r));
        fact("loopback %s", r.ifr_flags & IFF_LOOPBACK ? "yes" : "no");
        res("SIOCGIFMTU", ioctl(fd, SIOCGIFMTU, &r));
        fact("mtu %d", r.ifr_mtu);
        r = named("lo");
        res("SIOCGIFHWADDR", ioctl(fd, SIOCGIFHWADDR, &r));
        fact("type %s", r.ifr_hwaddr.sa_family == ARPHRD_LOOPBACK ? "loopback" : "other");
        r = named("lo");
        res("SIOCGIFMETRIC", ioctl(fd, SIOCGIFMETRIC, &r));
        res("SIOCGIFMAP", ioctl(fd, SIOCGIFMAP, &r));
        r = named("lo");
        res("SIOCGIFTXQLEN", ioctl(fd, SIOCGIFTXQLEN, &r));
        r = named("none0");
        res("unknown interface, index", ioctl(fd, SIOCGIFINDEX, &r));
        res("unknown interface, address", ioctl(fd, SIOCGIFADDR, &r));
        res("unknown interface, flags", ioctl(fd, SIOCGIFFLAGS, &r));
        struct ethtool_value v = {.cmd = ETHTOOL_GLINK};
        r = named("lo");
        r.ifr_data = (char *)&v;
        res("SIOCETHTOOL", ioctl(fd, SIOCETHTOOL, &r));
        fact("link %u", v.data);
        r.ifr_data = NULL;
        res("SIOCETHTOOL without data", ioctl(fd, SIOCETHTOOL, &r));

        struct ifconf c = {0};
        res("SIOCGIFCONF, length", ioctl(fd, SIOCGIFCONF, &c));
        fact("some: %s", c.ifc_len >= (int)sizeof r && c.ifc_len % (int)sizeof r == 0 ? "yes" : "no");
        struct ifreq all[64];
        c.ifc_len = sizeof all;
        c.ifc_req = all;
        res("SIOCGIFCONF", ioctl(fd, SIOCGIFCONF, &c));
        int lo = 0;
        for (unsigned i = 0; i < c.ifc_len / sizeof *all; i++) lo += !strcmp(all[i].ifr_name, "lo");
        fact("lo: %d", lo);
        c.ifc_len = 10;
        res("SIOCGIFCONF, short", ioctl(fd, SIOCGIFCONF, &c));
        fact("length %d", c.ifc_len);

        struct iwreq w;
        memset(&w, 0, sizeof w);
        strcpy(w.ifr_name, "lo");
        res("SIOCGIWNAME", ioctl(fd, SIOCGIWNAME, &w));
        struct arpreq a;
        memset(&a, 0, sizeof a);
        a.arp_pa.sa_family = AF_INET;
        strcpy(a.arp_dev, "lo");
        res("SIOCGARP", ioctl(fd, SIOCGARP, &a));
        res("SIOCGIFINDEX, bad pointer", ioctl(fd, SIOCGIFINDEX, (void *)8));
        res("SIOCGIFCONF, bad pointer", ioctl(fd, SIOCGIFCONF, (void *)8));
        res("SIOCGSTAMP", ioctl(fd, SIOCGSTAMP, &(struct timeval){0, 0}));
        res("TCGETS", ioctl(fd, 0x5401, &r));
        res("TIOCGWINSZ", ioctl(fd, 0x5413, &r));
        res("FIOQSIZE", ioctl(fd, 0x5460, &r));
        res("FIGETBSZ", ioctl(fd, 2, &r));
        res("0", ioctl(fd, 0, &r));
        res("SIOCPROTOPRIVATE", ioctl(fd, 0x89e0, &r));
        res("SIOCDEVPRIVATE", ioctl(fd, 0x89f0, &r));
        close(fd);
    }
    fact("if_nametoindex: %u", if_nametoindex("lo"));
    char b[IF_NAMESIZE];
    fact("if_indextoname: %s", if_indextoname(1, b) ? b : "none");
    return 0;
}
