//! A connection with TLS or WebSocket around it: what is on its way, and what waits for it.
//!
//! A socket has one send on its way. What the layers say by themselves (a handshake, a pong, an alert) goes before what MQTT says, and
//! MQTT's output is sealed only when it can go, so that records leave in the order in which they were numbered.

use crate::access::ListenerId;
use crate::broker::ConnectionId;
use crate::connection::Output;
use crate::limits;
use crate::net::SendParts;
use crate::net::layers::{LayerFailure, Layers, Sealed};

#[derive(Debug)]
pub struct Wrapped {
    pub layers: Layers,
    pub listener: ListenerId,
    /// Known when its home is.
    pub connection: Option<ConnectionId>,
    sending: Sending,
    /// What the layers have to say.
    own: Vec<u8>,
    /// What MQTT has to say.
    output: Option<Output>,
}

/// What is on its way.
#[derive(Debug, Default)]
enum Sending {
    #[default]
    Nothing,
    /// The layers' own bytes.
    Own,
    /// MQTT's output, encrypted elsewhere.
    Copied(Output),
    /// MQTT's output itself, behind so many bytes of a frame's header.
    Framed(usize),
}

/// What became of a send.
#[derive(Debug, Default)]
pub struct Sent {
    /// MQTT's output, which has been sent.
    pub output: Option<Output>,
    /// A buffer that nobody needs any more.
    pub spare: Option<Vec<u8>>,
}

impl Wrapped {
    pub fn new(layers: Layers, listener: ListenerId) -> Self {
        Self { layers, listener, connection: None, sending: Sending::Nothing, own: Vec::new(), output: None }
    }

    /// Takes bytes that came from the socket; `plain` gets what is MQTT of them. Whether the peer goes on.
    pub fn receive(&mut self, bytes: &mut [u8], plain: &mut dyn FnMut(&[u8])) -> Result<bool, LayerFailure> {
        let goes_on = self.layers.receive(bytes, &mut self.own, plain)?;
        if self.own.len() > limits::LAYER_OUTPUT_MAX {
            return Err(LayerFailure::Unread);
        }
        Ok(goes_on)
    }

    /// MQTT has something to say; there is at most one such output at a time.
    pub fn push(&mut self, output: Output) {
        debug_assert!(self.output.is_none());
        self.output = Some(output);
    }

    pub fn is_sending(&self) -> bool {
        !matches!(self.sending, Sending::Nothing)
    }

    /// What to send next, if nothing is on its way. `buffer` is empty, and used if bytes are encrypted.
    pub fn next_send(&mut self, buffer: impl FnOnce() -> Vec<u8>) -> Result<Option<SendParts>, LayerFailure> {
        if self.is_sending() {
            return Ok(None);
        }
        if !self.own.is_empty() {
            self.sending = Sending::Own;
            return Ok(Some(SendParts { bytes: std::mem::take(&mut self.own), shared: Vec::new() }));
        }
        let Some(output) = self.output.take() else { return Ok(None) };
        let (bytes, shared) = output.into_parts();
        match self.layers.seal(SendParts { bytes, shared }, buffer)? {
            Sealed::Copied { sealed, parts } => {
                self.sending = Sending::Copied(Output::from_parts(parts.bytes, parts.shared));
                Ok(Some(SendParts { bytes: sealed, shared: Vec::new() }))
            }
            Sealed::Framed { parts, header_len } => {
                self.sending = Sending::Framed(header_len);
                Ok(Some(parts))
            }
        }
    }

    /// What was on its way has been sent.
    pub fn sent(&mut self, mut parts: SendParts) -> Sent {
        match std::mem::take(&mut self.sending) {
            Sending::Nothing => Sent::default(),
            Sending::Own => Sent { output: None, spare: Some(parts.bytes) },
            Sending::Copied(output) => Sent { output: Some(output), spare: Some(parts.bytes) },
            Sending::Framed(header_len) => {
                parts.remove_front(header_len);
                Sent { output: Some(Output::from_parts(parts.bytes, parts.shared)), spare: None }
            }
        }
    }

    /// The layers' last words, to be sent at once or never; nothing while a send is on its way.
    pub fn farewell(&mut self) -> Vec<u8> {
        if self.is_sending() {
            return Vec::new();
        }
        let mut bytes = std::mem::take(&mut self.own);
        self.layers.close(&mut bytes);
        bytes
    }
}
