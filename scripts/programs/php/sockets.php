<?php
// Streams and sockets of PHP; the built-in server is on the port that is given.
set_error_handler(function ($number, $message) { throw new ErrorException($message); });
function check($name, $holds) { if (!$holds) { throw new Exception("$name: not so"); } echo "$name ok\n"; }
function server($scheme, $flags = STREAM_SERVER_BIND | STREAM_SERVER_LISTEN) {
    return stream_socket_server("$scheme://127.0.0.1:0", $code, $text, $flags);
}
function dial($server, $scheme = 'tcp') {
    return stream_socket_client("$scheme://" . stream_socket_get_name($server, false), $code, $text, 5);
}

$url = "http://127.0.0.1:$argv[1]/";
check('get', file_get_contents($url) === 'hello from cli-server' && file_get_contents("{$url}big") === str_repeat('b', 3000000));
$post = ['method' => 'POST', 'header' => 'Content-Type: text/plain', 'content' => str_repeat('x', 1000000)];
check('post', file_get_contents($url, false, stream_context_create(['http' => $post])) === '1000000');

$server = server('tcp');
$near = dial($server);
$far = stream_socket_accept($server, 5);
fwrite($near, "line\n");
$read = [$far];
$none = null;
check('select', stream_select($read, $none, $none, 5) === 1 && fgets($far) === "line\n");
stream_set_blocking($far, false);
check('nothing-there', fread($far, 10) === '' && !feof($far));
stream_socket_shutdown($near, STREAM_SHUT_WR);
stream_set_blocking($far, true);
check('half-close', fread($far, 10) === '' && feof($far));

$one = server('udp', STREAM_SERVER_BIND);
$two = dial($one, 'udp');
fwrite($two, 'datagram');
$got = stream_socket_recvfrom($one, 100, 0, $from);
stream_socket_sendto($one, strtoupper($got), 0, $from);
check('datagrams', fread($two, 100) === 'DATAGRAM');

$listener = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
socket_bind($listener, '127.0.0.1');
socket_listen($listener);
socket_getsockname($listener, $address, $port);
$client = socket_create(AF_INET, SOCK_STREAM, SOL_TCP);
socket_connect($client, $address, $port);
socket_write($client, "text\n");
check('sockets', socket_read(socket_accept($listener), 10, PHP_NORMAL_READ) === "text\n");

$pid = pcntl_fork();
if ($pid === 0) {
    $connection = stream_socket_accept($server);
    fwrite($connection, strrev(stream_get_contents($connection)));
    exit(4);
}
$client = dial($server);
fwrite($client, 'abc');
stream_socket_shutdown($client, STREAM_SHUT_WR);
$answer = stream_get_contents($client);
pcntl_waitpid($pid, $status);
check('fork', $answer === 'cba' && pcntl_wexitstatus($status) === 4);
