# IO::Socket and IO::Select, a forking server that execs, timeouts by alarm.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;

sub listening { IO::Socket::INET->new(Listen => 5, LocalAddr => '127.0.0.1') or die "listen: $!" }
sub dial { IO::Socket::INET->new(PeerAddr => '127.0.0.1:' . shift) }

# One process that serves five clients by select, and its exit status.
my $server = listening();
my $port = $server->sockport;
my $pid = fork // die;
if (!$pid) {
    my $select = IO::Select->new($server);
    my $ended = 0;
    while ($ended < 5) {
        for my $ready ($select->can_read) {
            if ($ready == $server) { $select->add($server->accept); next }
            my $line = <$ready>;
            if (defined $line) { print $ready uc $line; $ready->flush }
            else { $select->remove($ready); close $ready; $ended++ }
        }
    }
    exit 3;
}
close $server;
my @clients = map { dial($port) or die } 1 .. 5;
for my $round (1 .. 10) {
    print { $clients[$_] } "client $_ says $round\n" for 0 .. 4;
    for (0 .. 4) { my $line = readline $clients[$_]; die $line unless $line eq "CLIENT $_ SAYS $round\n" }
}
close $_ for @clients;
waitpid $pid, 0;
die unless $? >> 8 == 3;
print "select ok\n";

# Each connection is another program's standard input and output.
$server = listening();
$port = $server->sockport;
$pid = fork // die;
if (!$pid) {
    for (1 .. 3) {
        my $connection = $server->accept;
        if (!fork) {
            open STDIN, '<&', $connection;
            open STDOUT, '>&', $connection;
            exec 'tr', 'a-z', 'A-Z';
        }
        close $connection;
    }
    wait for 1 .. 3;
    exit;
}
close $server;
for (1 .. 3) {
    my $client = dial($port);
    print $client "text $_\n";
    $client->shutdown(1);
    my @lines = <$client>;
    die "@lines" unless "@lines" eq "TEXT $_\n";
}
waitpid $pid, 0;
print "exec ok\n";

my $one = IO::Socket::INET->new(Proto => 'udp', LocalAddr => '127.0.0.1') or die;
my $two = IO::Socket::INET->new(Proto => 'udp', PeerAddr => '127.0.0.1:' . $one->sockport) or die;
for (1 .. 100) {
    $two->send("datagram $_");
    $one->recv(my $got, 100);
    $one->send(uc $got);
    $two->recv($got, 100);
    die $got unless $got eq "DATAGRAM $_";
}
print "datagrams ok\n";

$server = listening();
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; $server->accept };
die unless $@ eq "alarm\n";
my $quiet = dial($server->sockport);
eval { local $SIG{ALRM} = sub { die "alarm\n" }; alarm 1; my $line = <$quiet> };
die unless $@ eq "alarm\n";
$port = $server->sockport;
close $server;
close $quiet;
die if dial($port);
die "$!" unless $!{ECONNREFUSED};
print "alarm ok\n";
