//! Echo and relay in the plain style of the library:
//!
//!     tokio-server ADDRESS             echo
//!     tokio-server ADDRESS BACKEND     relay

use std::io;
use tokio::io::{copy_bidirectional, AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};

async fn echo(mut client: TcpStream) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut buffer = vec![0u8; 4096];
    loop {
        let n = client.read(&mut buffer).await?;
        if n == 0 {
            return Ok(());
        }
        client.write_all(&buffer[..n]).await?;
    }
}

async fn relay(mut client: TcpStream, backend: String) -> io::Result<()> {
    client.set_nodelay(true)?;
    let mut server = TcpStream::connect(backend).await?;
    server.set_nodelay(true)?;
    copy_bidirectional(&mut client, &mut server).await?;
    Ok(())
}

fn listen(address: &str) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address.parse().expect("an address and a port"))?;
    socket.listen(4096)
}

async fn serve(address: String, backend: Option<String>) -> io::Result<()> {
    let listener = listen(&address)?;
    loop {
        let client = match listener.accept().await {
            Ok((client, _)) => client,
            Err(error) => {
                eprintln!("{}", error);
                continue;
            }
        };
        match &backend {
            Some(backend) => drop(tokio::spawn(relay(client, backend.clone()))),
            None => drop(tokio::spawn(echo(client))),
        }
    }
}

fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().expect("an address");
    tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?
        .block_on(serve(address, arguments.next()))
}
