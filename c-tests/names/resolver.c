/* getaddrinfo and getnameinfo on numbers and on "localhost", and a connection by their answers (man 3 getaddrinfo).
 * Only what every machine with the usual hosts file answers alike. */
#include "t.h"

static void ask(const char *label, const char *node, const char *service, int flags, int family, int type) {
    struct addrinfo h, *r = NULL;
    memset(&h, 0, sizeof h);
    h.ai_flags = flags;
    h.ai_family = family;
    h.ai_socktype = type;
    int e = getaddrinfo(node, service, &h, &r);
    if (e) { fact("%s: error %d", label, e); return; }
    int n = 0;
    for (struct addrinfo *a = r; a; a = a->ai_next) {
        char host[128], serv[32];
        int g = getnameinfo(a->ai_addr, a->ai_addrlen, host, sizeof host, serv, sizeof serv,
                            NI_NUMERICHOST | NI_NUMERICSERV);
        fact("%s: [%d] family %d type %d protocol %d length %d: %s %s", label, n++, a->ai_family, a->ai_socktype,
             a->ai_protocol, (int)a->ai_addrlen,
             g ? gai_strerror(g) : host, g ? "" : serv);
    }
    freeaddrinfo(r);
}

int main(void) {
    alarm(8);
    ask("127.0.0.1 http number", "127.0.0.1", "80", AI_NUMERICHOST | AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM);
    ask("::1", "::1", "80", AI_NUMERICHOST | AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM);
    ask("::1 wanted as v4", "::1", "80", AI_NUMERICHOST, AF_INET, SOCK_STREAM);
    ask("127.0.0.1 wanted as v6 mapped", "127.0.0.1", "80", AI_NUMERICHOST | AI_V4MAPPED, AF_INET6, SOCK_STREAM);
    ask("any type", "127.0.0.1", "80", AI_NUMERICHOST, AF_UNSPEC, 0);
    ask("passive v4", NULL, "0", AI_PASSIVE, AF_INET, SOCK_STREAM);
    ask("passive v6", NULL, "0", AI_PASSIVE, AF_INET6, SOCK_STREAM);
    ask("loopback v4", NULL, "1", 0, AF_INET, SOCK_DGRAM);
    ask("loopback v6", NULL, "1", 0, AF_INET6, SOCK_DGRAM);
    ask("a name that is no number", "localhost", "80", AI_NUMERICHOST, AF_UNSPEC, SOCK_STREAM);
    ask("service that is no number", "127.0.0.1", "http", AI_NUMERICHOST | AI_NUMERICSERV, AF_UNSPEC, SOCK_STREAM);
    ask("nothing at all", NULL, NULL, 0, AF_UNSPEC, 0);
    ask("localhost v4", "localhost", "1234", AI_NUMERICSERV, AF_INET, SOCK_STREAM);

    int port, l = listener4(&port, 4);
    char serv[16], host[64];
    snprintf(serv, sizeof serv, "%d", port);
    struct addrinfo h, *r = NULL;
    memset(&h, 0, sizeof h);
    h.ai_family = AF_INET;
    h.ai_socktype = SOCK_STREAM;
    res("localhost looked up", getaddrinfo("localhost", serv, &h, &r));
    if (r) {
        int c = (int)must("socket", socket(r->ai_family, r->ai_socktype, r->ai_protocol));
        res("connect to it", connect(c, r->ai_addr, r->ai_addrlen));
        struct sockaddr_in p;
        socklen_t pl = sizeof p;
        must("getpeername", getpeername(c, (struct sockaddr *)&p, &pl));
        res("getnameinfo of the peer", getnameinfo((struct sockaddr *)&p, pl, host, sizeof host, serv, sizeof serv,
                                                   NI_NUMERICHOST | NI_NUMERICSERV));
        fact("host %s, port is the listener's: %s", host, atoi(serv) == port ? "yes" : "no");
        char name[256] = "";
        res("getnameinfo by name", getnameinfo((struct sockaddr *)&p, pl, name, sizeof name, NULL, 0, NI_NAMEREQD));
        fact("its name begins with localhost: %s", strncmp(name, "localhost", 9) == 0 ? "yes" : "no");
        close(c);
        freeaddrinfo(r);
    }
    struct hostent *he = gethostbyname("localhost");
    fact("gethostbyname localhost: %s", he && he->h_addrtype == AF_INET
         ? inet_ntoa(*(struct in_addr *)he->h_addr_list[0]) : "nothing");
    close(l);
    return 0;
}
