//! tokio: many connections on a runtime with several threads, cancelled waits, datagrams, a large copy.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{copy, split, AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

async fn connections() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let to = listener.local_addr()?;
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            tokio::spawn(async move {
                let (mut from, mut to) = stream.split();
                copy(&mut from, &mut to).await.unwrap();
            });
        }
    });
    let mut clients = JoinSet::new();
    for n in 0..200 {
        clients.spawn(async move {
            let (from, mut out) = split(TcpStream::connect(to).await?);
            let mut lines = BufReader::new(from).lines();
            for i in 0..20 {
                out.write_all(format!("{n} {i}\n").as_bytes()).await?;
                assert_eq!(lines.next_line().await?.unwrap(), format!("{n} {i}"));
            }
            out.shutdown().await?;
            assert_eq!(lines.next_line().await?, None);
            io::Result::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap()?;
    }
    server.abort();
    println!("connections ok");
    Ok(())
}

async fn large() -> io::Result<()> {
    let listener = TcpListener::bind("[::1]:0").await?;
    let to = listener.local_addr()?;
    let sender = tokio::spawn(async move {
        let mut stream = TcpStream::connect(to).await?;
        let block: Vec<u8> = (0..=255).cycle().take(1 << 20).collect();
        for _ in 0..32 {
            stream.write_all(&block).await?;
        }
        stream.shutdown().await
    });
    let (mut stream, _) = listener.accept().await?;
    let mut all = Vec::new();
    stream.read_to_end(&mut all).await?;
    sender.await.unwrap()?;
    assert_eq!(all.len(), 32 << 20);
    assert!(all.iter().enumerate().all(|(i, b)| *b == i as u8));
    println!("large ok");
    Ok(())
}

async fn waits() -> io::Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    assert!(timeout(Duration::from_millis(50), listener.accept()).await.is_err());
    let mut stream = TcpStream::connect(listener.local_addr()?).await?;
    let (mut far, _) = listener.accept().await?;
    assert!(timeout(Duration::from_millis(50), stream.read_u8()).await.is_err());
    // The wait that was given up has taken nothing.
    far.write_all(b"x").await?;
    assert_eq!(timeout(Duration::from_secs(5), stream.read_u8()).await??, b'x');
    drop(far);
    assert_eq!(stream.read(&mut [0]).await?, 0);
    let unused = TcpListener::bind("127.0.0.1:0").await?.local_addr()?;
    assert_eq!(TcpStream::connect(unused).await.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    println!("waits ok");
    Ok(())
}

async fn datagrams() -> io::Result<()> {
    let server = Arc::new(UdpSocket::bind("127.0.0.1:0").await?);
    let to = server.local_addr()?;
    tokio::spawn(async move {
        let mut buffer = [0; 2000];
        loop {
            let (n, from) = server.recv_from(&mut buffer).await.unwrap();
            server.send_to(&buffer[..n], from).await.unwrap();
        }
    });
    let mut clients = JoinSet::new();
    for n in 0..8u8 {
        clients.spawn(async move {
            let socket = UdpSocket::bind("127.0.0.1:0").await?;
            socket.connect(to).await?;
            for i in 0..100u8 {
                socket.send(&[n, i]).await?;
                let mut answer = [0; 10];
                assert_eq!(timeout(Duration::from_secs(5), socket.recv(&mut answer)).await??, 2);
                assert_eq!(answer[..2], [n, i]);
            }
            io::Result::Ok(())
        });
    }
    while let Some(client) = clients.join_next().await {
        client.unwrap()?;
    }
    println!("datagrams ok");
    Ok(())
}

#[tokio::main(worker_threads = 4)]
async fn main() -> io::Result<()> {
    connections().await?;
    large().await?;
    waits().await?;
    datagrams().await
}
