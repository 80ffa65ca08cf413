//! A name server on loopback that says what a test wants.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use hickory_resolver::proto::op::{Message, MessageType, OpCode, ResponseCode};
use hickory_resolver::proto::rr::rdata::TXT;
use hickory_resolver::proto::rr::{RData, Record, RecordType};
use tokio::net::UdpSocket;

/// TXT records by name; what isn't there doesn't exist.
pub struct Dns {
    pub address: SocketAddr,
    records: Arc<Mutex<BTreeMap<String, String>>>,
    serving: tokio::task::JoinHandle<()>,
}

impl Drop for Dns {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Dns {
    pub async fn start() -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.expect("a port");
        let address = socket.local_addr().expect("an address");
        let records: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
        let known = records.clone();
        let serving = tokio::spawn(async move {
            let mut bytes = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut bytes).await {
                let Ok(asked) = Message::from_vec(&bytes[..length]) else { continue };
                let mut answer = Message::new(asked.metadata.id, MessageType::Response, OpCode::Query);
                answer.metadata.response_code = ResponseCode::NXDomain;
                for query in &asked.queries {
                    let name = query.name().to_ascii().trim_end_matches('.').to_ascii_lowercase();
                    let found = known.lock().expect("a lock").get(&name).cloned();
                    if let Some(text) = found.filter(|_| query.query_type() == RecordType::TXT) {
                        answer.metadata.response_code = ResponseCode::NoError;
                        let data = RData::TXT(TXT::new(vec![text]));
                        answer.add_answer(Record::from_rdata(query.name().clone(), 1, data));
                    }
                    answer.add_query(query.clone());
                }
                if let Ok(bytes) = answer.to_vec() {
                    let _ = socket.send_to(&bytes, from).await;
                }
            }
        });
        Self { address, records, serving }
    }

    pub fn set(&self, name: &str, text: &str) {
        self.records.lock().expect("a lock").insert(name.to_ascii_lowercase(), text.to_owned());
    }

    pub fn remove(&self, name: &str) {
        self.records.lock().expect("a lock").remove(&name.to_ascii_lowercase());
    }
}
