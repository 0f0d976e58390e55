//! HTTP/1.1 on loopback, for any look-alike that turns a request into a reply.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::{Body, Frame, Incoming, SizeHint};
use hyper::ext::ReasonPhrase;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Mutex, oneshot};
use tokio::task::{JoinHandle, JoinSet};

use crate::wire::{Delivery, Reply, Request};

/// A web server refuses longer request lines before the system behind it sees them.
const LONGEST_TARGET: usize = 8192;

/// A system behind a server.
pub(crate) trait System: Send + Sync + 'static {
    /// What the `Server` header says.
    const NAME: &'static str;

    /// Largest request body in bytes.
    fn max_body(&self) -> usize;

    /// Answers a request that was read completely.
    fn handle(self: &Arc<Self>, request: Request) -> impl Future<Output = Reply> + Send;

    /// Answers a request whose body is above the limit; the body is left out.
    fn too_large(self: &Arc<Self>, request: Request) -> impl Future<Output = Reply> + Send;
}

/// A port that is taken, but not served yet.
pub(crate) struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

/// A listening server, or one that is down for the moment.
pub(crate) struct Server<S> {
    system: Arc<S>,
    address: SocketAddr,
    running: Mutex<Option<Running>>,
}

struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Bound {
    /// Takes a port on 127.0.0.1; 0 lets the system choose one.
    pub(crate) async fn take(port: u16) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await?;
        let address = listener.local_addr()?;
        Ok(Self { listener, address })
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn serve<S: System>(self, system: Arc<S>) -> Server<S> {
        let running = Running::start(Arc::clone(&system), self.listener);
        Server {
            system,
            address: self.address,
            running: Mutex::new(Some(running)),
        }
    }
}

impl<S: System> Server<S> {
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Closes the port and all connections; afterwards nobody can connect.
    pub(crate) async fn go_down(&self) {
        if let Some(running) = self.running.lock().await.take() {
            // The receiver is gone only when the task ended by itself.
            let _ = running.stop.send(());
            let _ = running.task.await;
        }
    }

    pub(crate) async fn come_back(&self) -> io::Result<()> {
        let mut running = self.running.lock().await;
        if running.is_none() {
            let listener = TcpListener::bind(self.address).await?;
            *running = Some(Running::start(Arc::clone(&self.system), listener));
        }
        Ok(())
    }
}

impl Running {
    fn start<S: System>(system: Arc<S>, listener: TcpListener) -> Self {
        let (stop, stopped) = oneshot::channel();
        Self {
            stop,
            task: tokio::spawn(serve(system, listener, stopped)),
        }
    }
}

async fn serve<S: System>(
    system: Arc<S>,
    listener: TcpListener,
    mut stopped: oneshot::Receiver<()>,
) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            // Also when the sandbox was dropped.
            _ = &mut stopped => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => {}
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(connection(Arc::clone(&system), stream));
                }
                Err(error) => tracing::warn!(%error, "sandbox cannot accept a connection"),
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn connection<S: System>(system: Arc<S>, stream: TcpStream) {
    // Small answers must not wait for the client's acknowledgement.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| respond(Arc::clone(&system), request));
    let served = http1::Builder::new()
        .title_case_headers(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    if let Err(error) = served {
        tracing::debug!(%error, "sandbox connection ended");
    }
}

async fn respond<S: System>(
    system: Arc<S>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Answer>, Cut> {
    let (parts, mut body) = request.into_parts();
    let target = parts
        .uri
        .path_and_query()
        .map_or(0, |target| target.as_str().len());
    if target > LONGEST_TARGET {
        return deliver(S::NAME, Reply::web_server_page(414)).await;
    }
    let reply = match Limited::new(&mut body, system.max_body()).collect().await {
        Ok(body) => system.handle(Request::new(&parts, body.to_bytes())).await,
        Err(error) if error.is::<LengthLimitError>() => {
            // Read to the end, or the client may be cut off while it sends and never see the answer.
            while let Some(Ok(_)) = body.frame().await {}
            system.too_large(Request::new(&parts, Bytes::new())).await
        }
        // The client went away while sending: nothing was asked.
        Err(_) => return Err(Cut),
    };
    deliver(S::NAME, reply).await
}

async fn deliver(server: &str, reply: Reply) -> Result<http::Response<Answer>, Cut> {
    match reply.delivery {
        Delivery::Nothing => return Err(Cut),
        Delivery::Held(time) => {
            // Ends early when the client closes: then this future is dropped.
            tokio::time::sleep(time).await;
            return Err(Cut);
        }
        Delivery::Whole | Delivery::HalfBody => {}
    }
    let half = reply.delivery == Delivery::HalfBody;
    let mut response = http::Response::builder()
        .status(reply.status)
        .header(http::header::SERVER, server);
    if !reply.content_type.is_empty() {
        response = response.header(http::header::CONTENT_TYPE, reply.content_type);
    }
    for (name, value) in &reply.headers {
        response = response.header(*name, value);
    }
    let mut response = response
        .body(Answer::new(reply.body, half))
        .map_err(|_| Cut)?;
    if let Some(phrase) = reply
        .reason
        .and_then(|phrase| ReasonPhrase::try_from(phrase).ok())
    {
        response.extensions_mut().insert(phrase);
    }
    Ok(response)
}
/// The connection is to be cut without an answer.
#[derive(Debug)]
struct Cut;

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cut on purpose")
    }
}

impl std::error::Error for Cut {}

/// A body that can break off in the middle.
struct Answer {
    promised: u64,
    rest: Rest,
}

enum Rest {
    Data(Bytes, Break),
    /// The first half is handed over; one more turn lets it be sent before the connection is cut.
    AboutToBreak,
    Broken,
    Nothing,
}

#[derive(Clone, Copy)]
enum Break {
    Never,
    AfterThis,
}

impl Answer {
    fn new(body: String, half: bool) -> Self {
        let promised = body.len() as u64;
        let mut data = Bytes::from(body);
        let rest = if half {
            data.truncate(data.len() / 2);
            Rest::Data(data, Break::AfterThis)
        } else if data.is_empty() {
            Rest::Nothing
        } else {
            Rest::Data(data, Break::Never)
        };
        Self { promised, rest }
    }
}

impl Body for Answer {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        match std::mem::replace(&mut self.rest, Rest::Nothing) {
            Rest::Data(data, end) => {
                if let Break::AfterThis = end {
                    self.rest = Rest::AboutToBreak;
                }
                Poll::Ready(Some(Ok(Frame::data(data))))
            }
            Rest::AboutToBreak => {
                self.rest = Rest::Broken;
                context.waker().wake_by_ref();
                Poll::Pending
            }
            Rest::Broken => Poll::Ready(Some(Err(Cut))),
            Rest::Nothing => Poll::Ready(None),
        }
    }

    fn is_end_stream(&self) -> bool {
        matches!(self.rest, Rest::Nothing)
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.promised)
    }
}
