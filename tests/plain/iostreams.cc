/* C++ standard streams over a connection that is put under 0, 1 and 2 after they were made and used: in step with stdio,
 * out of step, and mixed with printf. Prints the same natively and under the library. */
#include <arpa/inet.h>
#include <cstdio>
#include <cstdlib>
#include <iostream>
#include <string>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static void tcp_pair(int p[2]) {
    int l = socket(AF_INET, SOCK_STREAM, 0);
    sockaddr_in a{};
    socklen_t n = sizeof a;
    a.sin_family = AF_INET;
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(l, reinterpret_cast<sockaddr *>(&a), n);
    listen(l, 1);
    getsockname(l, reinterpret_cast<sockaddr *>(&a), &n);
    p[0] = socket(AF_INET, SOCK_STREAM, 0);
    connect(p[0], reinterpret_cast<sockaddr *>(&a), n);
    p[1] = accept(l, nullptr, nullptr);
    close(l);
}

static void serve(int way, int c) {
    if (way == 1) std::ios::sync_with_stdio(false);
    dup2(c, 0);
    dup2(c, 1);
    dup2(c, 2);
    close(c);
    std::string line;
    int number = 0;
    std::getline(std::cin, line);
    std::cin >> number;
    std::cout << "cout: " << line << ", " << number << std::endl;
    if (way == 0) std::printf("printf after it\n"), std::cout << "and cout after that" << std::endl;
    std::cerr << "cerr too\n";
    std::exit(0);
}

int main() {
    alarm(20);
    std::cout << "before" << std::endl;
    static const char *const names[] = {"in step", "out of step"};
    for (int way = 0; way < 2; way++) {
        int p[2], status = 0;
        char b[1000];
        tcp_pair(p);
        pid_t k = fork();
        if (k == 0) {
            close(p[0]);
            serve(way, p[1]);
        }
        close(p[1]);
        if (write(p[0], "hello\n42\n", 9) != 9) return 1;
        std::string all;
        for (ssize_t n; (n = read(p[0], b, sizeof b)) > 0;) all.append(b, static_cast<size_t>(n));
        waitpid(k, &status, 0);
        std::cout << names[way] << ": status " << status << "\n" << all << std::flush;
        close(p[0]);
    }
    return 0;
}
