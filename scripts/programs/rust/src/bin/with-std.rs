//! std::net: a server with a thread for each connection and its clients, deadlines, datagrams, a large copy.

use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream, UdpSocket};
use std::thread;
use std::time::Duration;

fn echo(stream: TcpStream) -> io::Result<()> {
    let mut out = stream.try_clone()?;
    for line in BufReader::new(stream).lines() {
        writeln!(out, "{}", line?.to_uppercase())?;
    }
    Ok(())
}

fn client(port: u16, number: usize) -> io::Result<()> {
    let mut out = TcpStream::connect(("localhost", port))?;
    out.set_nodelay(true)?;
    let mut lines = BufReader::new(out.try_clone()?).lines();
    for i in 0..100 {
        writeln!(out, "client {number} says {i}")?;
        assert_eq!(lines.next().unwrap()?, format!("CLIENT {number} SAYS {i}"));
    }
    Ok(())
}

fn threads() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let stream = stream.unwrap();
            thread::spawn(move || echo(stream).unwrap());
        }
    });
    let clients: Vec<_> = (0..16).map(|n| thread::spawn(move || client(port, n))).collect();
    for client in clients {
        client.join().unwrap()?;
    }
    println!("threads ok");
    Ok(())
}

fn large() -> io::Result<()> {
    let listener = TcpListener::bind(("::1", 0))?;
    let to = listener.local_addr()?;
    let sender = thread::spawn(move || -> io::Result<()> {
        let mut stream = TcpStream::connect_timeout(&to, Duration::from_secs(5))?;
        let block: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        for _ in 0..32 {
            stream.write_all(&block)?;
        }
        stream.shutdown(Shutdown::Write)?;
        let mut count = String::new();
        stream.read_to_string(&mut count)?;
        assert_eq!(count, (32u64 << 20).to_string());
        Ok(())
    });
    let (mut stream, peer) = listener.accept()?;
    assert!(peer.ip().is_loopback());
    let mut all = Vec::new();
    stream.read_to_end(&mut all)?;
    assert!(all.iter().enumerate().all(|(i, b)| *b == i as u8));
    write!(stream, "{}", all.len())?;
    drop(stream);
    sender.join().unwrap()?;
    println!("large ok");
    Ok(())
}

fn deadlines() -> io::Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    listener.set_nonblocking(true)?;
    assert_eq!(listener.accept().unwrap_err().kind(), ErrorKind::WouldBlock);
    let mut stream = TcpStream::connect(listener.local_addr()?)?;
    stream.set_read_timeout(Some(Duration::from_millis(50)))?;
    assert_eq!(stream.read(&mut [0]).unwrap_err().kind(), ErrorKind::WouldBlock);
    let unused = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
    assert_eq!(TcpStream::connect(unused).unwrap_err().kind(), ErrorKind::ConnectionRefused);
    println!("deadlines ok");
    Ok(())
}

fn datagrams() -> io::Result<()> {
    let server = UdpSocket::bind("127.0.0.1:0")?;
    let to = server.local_addr()?;
    thread::spawn(move || {
        let mut buffer = [0; 2000];
        while let Ok((n, from)) = server.recv_from(&mut buffer) {
            buffer[..n].reverse();
            server.send_to(&buffer[..n], from).unwrap();
        }
    });
    let socket = UdpSocket::bind("127.0.0.1:0")?;
    socket.connect(to)?;
    socket.set_read_timeout(Some(Duration::from_secs(5)))?;
    for i in 0..500u32 {
        socket.send(&i.to_be_bytes())?;
        let mut answer = [0; 4];
        assert_eq!(socket.recv(&mut answer)?, 4);
        assert_eq!(u32::from_le_bytes(answer), i);
    }
    println!("datagrams ok");
    Ok(())
}

fn main() -> io::Result<()> {
    threads()?;
    large()?;
    deadlines()?;
    datagrams()
}
