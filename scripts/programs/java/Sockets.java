import com.sun.net.httpserver.HttpServer;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.*;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.ByteBuffer;
import java.nio.channels.*;
import java.nio.file.*;
import java.time.Duration;
import java.util.*;
import java.util.concurrent.*;

/** HttpServer and HttpClient, an NIO selector, blocking sockets that another thread closes, datagrams, channels. */
public class Sockets {
    interface Work { void run() throws Exception; }

    static void must(boolean holds) {
        if (!holds) throw new AssertionError();
    }

    static Thread inThread(Work work) {
        Thread thread = new Thread(() -> {
            try {
                work.run();
            } catch (Exception e) {
                e.printStackTrace();
                System.exit(1);
            }
        });
        thread.start();
        return thread;
    }

    static InetSocketAddress loopback() {
        return new InetSocketAddress(InetAddress.getLoopbackAddress(), 0);
    }

    static void http() throws Exception {
        HttpServer server = HttpServer.create(loopback(), 0);
        ExecutorService threads = Executors.newFixedThreadPool(4);
        server.setExecutor(threads);
        server.createContext("/", exchange -> {
            int length = exchange.getRequestBody().readAllBytes().length;
            byte[] answer = (exchange.getRequestMethod() + " " + length).getBytes();
            exchange.sendResponseHeaders(200, answer.length);
            exchange.getResponseBody().write(answer);
            exchange.close();
        });
        server.start();
        HttpClient client = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
        URI uri = URI.create("http://localhost:" + server.getAddress().getPort() + "/");
        List<CompletableFuture<String>> answers = new ArrayList<>();
        for (int i = 0; i < 100; i++)
            answers.add(client.sendAsync(HttpRequest.newBuilder(uri).build(), BodyHandlers.ofString()).thenApply(r -> r.body()));
        for (var answer : answers) must(answer.get(10, TimeUnit.SECONDS).equals("GET 0"));
        var body = HttpRequest.BodyPublishers.ofByteArray(new byte[2_000_000]);
        must(client.send(HttpRequest.newBuilder(uri).POST(body).build(), BodyHandlers.ofString()).body().equals("POST 2000000"));
        must(new String(uri.toURL().openStream().readAllBytes()).equals("GET 0"));
        server.stop(0);
        threads.shutdown();
        System.out.println("http ok");
    }

    static volatile boolean served;

    static void serve(Selector selector, ServerSocketChannel listener) throws Exception {
        ByteBuffer buffer = ByteBuffer.allocateDirect(65536);
        while (!served) {
            selector.select();
            for (var keys = selector.selectedKeys().iterator(); keys.hasNext(); keys.remove()) {
                SelectionKey key = keys.next();
                if (key.isAcceptable()) {
                    SocketChannel channel = listener.accept();
                    channel.configureBlocking(false);
                    channel.register(selector, SelectionKey.OP_READ);
                    continue;
                }
                SocketChannel channel = (SocketChannel) key.channel();
                buffer.clear();
                if (channel.read(buffer) < 0) channel.close();
                buffer.flip();
                while (channel.isOpen() && buffer.hasRemaining()) channel.write(buffer);
            }
        }
    }

    static void selector() throws Exception {
        Selector selector = Selector.open();
        ServerSocketChannel listener = ServerSocketChannel.open().bind(loopback());
        listener.configureBlocking(false);
        listener.register(selector, SelectionKey.OP_ACCEPT);
        SocketAddress address = listener.getLocalAddress();
        Thread server = inThread(() -> serve(selector, listener));
        List<Thread> clients = new ArrayList<>();
        for (int n = 0; n < 32; n++) {
            int number = n;
            clients.add(inThread(() -> {
                try (Socket socket = new Socket()) {
                    socket.connect(address, 5000);
                    socket.setTcpNoDelay(true);
                    socket.setSoTimeout(5000);
                    OutputStream out = socket.getOutputStream();
                    InputStream in = socket.getInputStream();
                    for (int i = 0; i < 50; i++) {
                        byte[] message = ("client " + number + " says " + i).getBytes();
                        out.write(message);
                        must(Arrays.equals(in.readNBytes(message.length), message));
                    }
                }
            }));
        }
        for (Thread client : clients) client.join();
        // The set of selected keys is not for two threads: the server ends before the selector is closed.
        served = true;
        selector.wakeup();
        server.join();
        selector.close();
        listener.close();
        System.out.println("selector ok");
    }

    static String failure(Work work) throws Exception {
        try {
            work.run();
            return "none";
        } catch (SocketException | SocketTimeoutException e) {
            return e.getMessage();
        }
    }

    static void blocking() throws Exception {
        ServerSocket listener = new ServerSocket(0, 50, InetAddress.getLoopbackAddress());
        listener.setSoTimeout(100);
        must(failure(listener::accept).equals("Accept timed out"));
        System.out.println("accept-timeout ok");
        listener.setSoTimeout(0);
        Thread closer = inThread(() -> { Thread.sleep(200); listener.close(); });
        must(failure(listener::accept).equals("Socket closed"));
        closer.join();
        System.out.println("accept-closed ok");
        int port = listener.getLocalPort();
        must(failure(() -> new Socket("127.0.0.1", port)).equals("Connection refused"));
        System.out.println("refused ok");
        try (ServerSocket other = new ServerSocket(0); Socket near = new Socket("localhost", other.getLocalPort()); Socket far = other.accept()) {
            closer = inThread(() -> { Thread.sleep(200); near.close(); });
            must(failure(() -> near.getInputStream().read()).equals("Socket closed"));
            must(far.getInputStream().read() == -1);
            closer.join();
        }
        System.out.println("read-closed ok");
    }

    static void datagrams() throws Exception {
        try (DatagramSocket one = new DatagramSocket(loopback()); DatagramSocket two = new DatagramSocket()) {
            DatagramPacket packet = new DatagramPacket(new byte[100], 100);
            one.setSoTimeout(100);
            must(failure(() -> one.receive(packet)).equals("Receive timed out"));
            one.setSoTimeout(5000);
            two.send(new DatagramPacket("datagram".getBytes(), 8, one.getLocalSocketAddress()));
            one.receive(packet);
            must(new String(packet.getData(), 0, packet.getLength()).equals("datagram"));
        }
        try (MulticastSocket member = new MulticastSocket(0)) {
            NetworkInterface lo = NetworkInterface.getByInetAddress(InetAddress.getLoopbackAddress());
            InetAddress group = InetAddress.getByName("239.1.2.3");
            member.setNetworkInterface(lo);
            member.joinGroup(new InetSocketAddress(group, 0), lo);
            member.setSoTimeout(5000);
            member.send(new DatagramPacket("to all".getBytes(), 6, group, member.getLocalPort()));
            DatagramPacket packet = new DatagramPacket(new byte[100], 100);
            member.receive(packet);
            must(packet.getLength() == 6);
        }
        System.out.println("datagrams ok");
    }

    static void channels() throws Exception {
        Path path = Path.of("big.bin");
        byte[] big = new byte[3_000_000];
        new Random(1).nextBytes(big);
        Files.write(path, big);
        try (ServerSocketChannel listener = ServerSocketChannel.open().bind(loopback())) {
            Thread sender = inThread(() -> {
                try (SocketChannel channel = listener.accept(); FileChannel file = FileChannel.open(path)) {
                    for (long at = 0; at < file.size(); ) at += file.transferTo(at, file.size() - at, channel);
                }
            });
            try (SocketChannel channel = SocketChannel.open(listener.getLocalAddress())) {
                must(Arrays.equals(channel.socket().getInputStream().readAllBytes(), big));
            }
            sender.join();
        }
        System.out.println("transferTo ok");
        try (var listener = AsynchronousServerSocketChannel.open().bind(loopback()); var near = AsynchronousSocketChannel.open()) {
            var accepted = listener.accept();
            near.connect(listener.getLocalAddress()).get(5, TimeUnit.SECONDS);
            try (var far = accepted.get(5, TimeUnit.SECONDS)) {
                near.write(ByteBuffer.wrap("hello".getBytes())).get(5, TimeUnit.SECONDS);
                must(far.read(ByteBuffer.allocate(10)).get(5, TimeUnit.SECONDS) == 5);
            }
        }
        System.out.println("asynchronous ok");
    }

    public static void main(String[] arguments) throws Exception {
        http();
        selector();
        blocking();
        datagrams();
        channels();
        System.exit(0);
    }
}
