# TCPServer with threads and fork, timeouts, a read that another thread ends, datagrams, DRb, Net::HTTP, large copies.
require 'drb'
require 'net/http'
require 'socket'
require 'timeout'

def check(name)
  raise "#{name}: not so" unless yield
  puts "#{name} ok"
end

server = TCPServer.new('127.0.0.1', 0)
port = server.addr[1]
acceptor = Thread.new do
  loop do
    client = server.accept
    Thread.new do
      while (line = client.gets) do client.puts line.upcase end
      client.close
    end
  end
end
check('threads') do
  8.times.map do |n|
    Thread.new do
      client = TCPSocket.new('localhost', port)
      20.times.all? { |i| client.puts("client #{n} says #{i}"); client.gets == "CLIENT #{n} SAYS #{i}\n" }
    end
  end.all?(&:value)
end
acceptor.kill
server.close

server = TCPServer.new('127.0.0.1', 0)
pid = fork { client = server.accept; client.write(client.read.reverse); client.close }
client = TCPSocket.new('127.0.0.1', server.addr[1])
client.write('abc')
client.close_write
check('fork') { client.read == 'cba' && Process.wait2(pid)[1].success? }

check('timeout') do
  Timeout.timeout(0.2) { server.accept }
  false
rescue Timeout::Error
  server.accept_nonblock(exception: false) == :wait_readable
end

client = TCPSocket.new('127.0.0.1', server.addr[1])
far = server.accept
reader = Thread.new do
  client.read(1)
rescue IOError => e
  e.message
end
sleep 0.05 until reader.stop?
client.close
check('closed-by-another') { reader.value == 'stream closed in another thread' && far.read(1).nil? }
port = server.addr[1]
server.close
check('refused') do
  TCPSocket.new('127.0.0.1', port)
  false
rescue Errno::ECONNREFUSED
  true
end

one = UDPSocket.new
one.bind('127.0.0.1', 0)
two = UDPSocket.new
two.connect('127.0.0.1', one.addr[1])
check('datagrams') do
  100.times.all? do |i|
    two.send("datagram #{i}", 0)
    text, from = one.recvfrom(100)
    one.send(text.upcase, 0, from[3], from[1])
    two.recv(100) == "DATAGRAM #{i}"
  end
end

DRb.start_service('druby://127.0.0.1:0', [3, 1, 2])
check('drb') { DRbObject.new_with_uri(DRb.uri).sort == [1, 2, 3] }
DRb.stop_service

server = TCPServer.new('127.0.0.1', 0)
Thread.new do
  loop do
    client = server.accept
    until client.gets == "\r\n" do end
    client.write "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\nConnection: close\r\n\r\n", 'x' * 1_000_000
    client.close
  end
end
check('net-http') { Net::HTTP.get(URI("http://127.0.0.1:#{server.addr[1]}/")) == 'x' * 1_000_000 }

File.write('big', Random.bytes(3_000_000))
server = TCPServer.new('::1', 0)
Thread.new { client = server.accept; File.open('big', 'rb') { |f| IO.copy_stream(f, client) }; client.close }
check('copy_stream') { TCPSocket.new('::1', server.addr[1]).read == File.binread('big') }
