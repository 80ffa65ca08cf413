//! XML as SAML needs it: bounded before it is parsed, parsed once, read by exact names and never by the first match.
//!
//! What the parser would take and SAML has no use for is refused: document types, processing instructions, attributes that
//! only look like ids. Values with comments inside are refused, not cut (CVE-2017-11427 and its kin).

use uppsala::{Document, Element, NodeId, NodeKind, Parser, QName};

use crate::refusal::{Reason, Refusal};

/// `saml:`
pub(crate) const ASSERTION: &str = "urn:oasis:names:tc:SAML:2.0:assertion";
/// `samlp:`
pub(crate) const PROTOCOL: &str = "urn:oasis:names:tc:SAML:2.0:protocol";
/// `md:`
pub(crate) const METADATA: &str = "urn:oasis:names:tc:SAML:2.0:metadata";
/// `ds:`
pub(crate) const DSIG: &str = "http://www.w3.org/2000/09/xmldsig#";
/// `xenc:`
pub(crate) const XENC: &str = "http://www.w3.org/2001/04/xmlenc#";

/// What a document may be at most. The costs of the layers below grow with these, some with their squares.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bounds {
    /// Bytes of the document.
    pub(crate) bytes: usize,
    /// Attributes and namespace declarations of one tag.
    pub(crate) attributes: usize,
    /// Elements within elements.
    pub(crate) depth: u32,
    /// Elements in all, closed by a tag of their own or not.
    pub(crate) elements: usize,
}

/// A protocol message.
pub(crate) const MESSAGE: Bounds = Bounds { bytes: 256 << 10, attributes: 48, depth: 48, elements: 4_000 };
/// Metadata of one entity.
pub(crate) const METADATA_DOCUMENT: Bounds =
    Bounds { bytes: 1 << 20, attributes: 48, depth: 48, elements: 20_000 };

/// A parsed document that kept the bounds, and the text it was parsed from.
pub(crate) struct Xml<'a> {
    pub(crate) text: &'a str,
    pub(crate) document: Document<'a>,
}

fn malformed(why: impl Into<String>) -> Refusal {
    Refusal::new(Reason::XmlRefused).got(why)
}

impl<'a> Xml<'a> {
    /// Parses `text` within `bounds`.
    pub(crate) fn parse(text: &'a str, bounds: Bounds) -> Result<Self, Refusal> {
        if text.len() > bounds.bytes {
            return Err(malformed(format!("more than {} bytes", bounds.bytes)));
        }
        keeps(text.as_bytes(), bounds)?;
        let parser =
            Parser::new().with_max_depth(bounds.depth).with_forbid_dtd(true).with_forbid_entities(true);
        let document = parser.parse(text).map_err(|_| malformed("not well-formed XML"))?;
        let xml = Self { text, document };
        xml.check()?;
        Ok(xml)
    }

    /// No processing instructions, one root, and ids that are ids.
    fn check(&self) -> Result<(), Refusal> {
        let document = &self.document;
        let roots = document.children_iter(document.root()).filter(|id| document.element(*id).is_some());
        if roots.count() != 1 {
            return Err(malformed("more than one root"));
        }
        let mut ids = std::collections::BTreeSet::new();
        for node in document.descendants(document.root()) {
            match document.node_kind(node) {
                Some(NodeKind::ProcessingInstruction(_)) => {
                    return Err(malformed("a processing instruction"));
                }
                Some(NodeKind::Element(element)) => {
                    let cryptographic = matches!(element.name.namespace_uri.as_deref(), Some(DSIG | XENC));
                    let mut own = 0;
                    for attribute in &element.attributes {
                        let name = &attribute.name;
                        let prefixed = name.namespace_uri.is_some();
                        let is_id = matches!(
                            name.local_name.to_ascii_lowercase().as_str(),
                            "id" | "assertionid" | "xml:id"
                        );
                        if prefixed && (is_id || cryptographic) {
                            return Err(malformed(
                                "an attribute of a foreign namespace that looks like ours",
                            ));
                        }
                        if is_id {
                            own += 1;
                            if own > 1 || !ids.insert(attribute.value.to_string()) {
                                return Err(Refusal::new(Reason::DuplicateId).got(&*attribute.value));
                            }
                        }
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    pub(crate) fn root(&self) -> Result<NodeId, Refusal> {
        self.document.document_element().ok_or_else(|| malformed("no root"))
    }

    pub(crate) fn element(&self, node: NodeId) -> Option<&Element<'a>> {
        self.document.element(node)
    }

    /// Whether `node` is the element of this exact name.
    pub(crate) fn is(&self, node: NodeId, namespace: &str, name: &str) -> bool {
        self.element(node).is_some_and(|element| named(&element.name, namespace, name))
    }

    /// The child elements of this exact name.
    pub(crate) fn children(&self, node: NodeId, namespace: &str, name: &str) -> Vec<NodeId> {
        self.document.children_iter(node).filter(|child| self.is(*child, namespace, name)).collect()
    }

    /// The only child element of this name, if there is one.
    pub(crate) fn child(&self, node: NodeId, namespace: &str, name: &str) -> Result<Option<NodeId>, Refusal> {
        match self.children(node, namespace, name).as_slice() {
            [] => Ok(None),
            [one] => Ok(Some(*one)),
            _ => Err(malformed(format!("several {name} where one belongs"))),
        }
    }

    /// The only child element of this name.
    pub(crate) fn required(&self, node: NodeId, namespace: &str, name: &str) -> Result<NodeId, Refusal> {
        self.child(node, namespace, name)?.ok_or_else(|| Refusal::new(Reason::Missing).expected(name))
    }

    /// All elements of this name, wherever they stand.
    pub(crate) fn everywhere(&self, namespace: &str, name: &str) -> Vec<NodeId> {
        let all = self.document.descendants(self.document.root());
        all.into_iter().filter(|node| self.is(*node, namespace, name)).collect()
    }

    /// An attribute without a namespace, which is what SAML and XML Signature define.
    pub(crate) fn attribute(&self, node: NodeId, name: &str) -> Option<&str> {
        let fits = |wanted: &QName<'_>| wanted.namespace_uri.is_none() && &*wanted.local_name == name;
        let element = self.element(node)?;
        element.attributes.iter().find(|attribute| fits(&attribute.name)).map(|attribute| &*attribute.value)
    }

    pub(crate) fn required_attribute(&self, node: NodeId, name: &str) -> Result<&str, Refusal> {
        self.attribute(node, name).ok_or_else(|| Refusal::new(Reason::Missing).expected(name))
    }

    /// The text of an element that holds nothing but text, without the white space around it.
    pub(crate) fn text(&self, node: NodeId) -> Result<String, Refusal> {
        Ok(self.exact_text(node)?.trim().to_owned())
    }

    /// The same as it stands there.
    pub(crate) fn exact_text(&self, node: NodeId) -> Result<String, Refusal> {
        let mut text = String::new();
        for child in self.document.children_iter(node) {
            match self.document.node_kind(child) {
                Some(NodeKind::Text(part) | NodeKind::CData(part)) => text.push_str(part),
                _ => return Err(malformed("something that is no text within a value")),
            }
        }
        Ok(text)
    }

    /// Whether an element has child elements.
    pub(crate) fn has_elements(&self, node: NodeId) -> bool {
        self.document.children_iter(node).any(|child| self.element(child).is_some())
    }

    /// The text of the only child of this name, if there is one.
    pub(crate) fn child_text(
        &self,
        node: NodeId,
        namespace: &str,
        name: &str,
    ) -> Result<Option<String>, Refusal> {
        self.child(node, namespace, name)?.map(|child| self.text(child)).transpose()
    }
}

fn named(name: &QName<'_>, namespace: &str, local: &str) -> bool {
    name.namespace_uri.as_deref() == Some(namespace) && &*name.local_name == local
}

/// Looks at the bytes before any parser does: sizes that make parsers dear, and constructs that SAML never has. Not a parser:
/// it only counts what stands between `<` and `>` outside quotes, and what it lets pass the parser judges.
fn keeps(bytes: &[u8], bounds: Bounds) -> Result<(), Refusal> {
    let mut elements = 0;
    let mut at = 0;
    while let Some(open) = bytes.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == b'<')) {
        let rest = bytes.get(at + open..).unwrap_or_default();
        let skip = if rest.starts_with(b"<!--") {
            end_of(rest, b"-->")
        } else if rest.starts_with(b"<![CDATA[") {
            end_of(rest, b"]]>")
        } else if rest.starts_with(b"<!") {
            return Err(malformed("a document type"));
        } else {
            elements += usize::from(!rest.starts_with(b"</"));
            if elements > bounds.elements {
                return Err(malformed("too many elements"));
            }
            tag(rest, bounds)?
        };
        at += open + skip.max(1);
    }
    Ok(())
}

fn end_of(rest: &[u8], mark: &[u8]) -> usize {
    let found = rest.windows(mark.len()).position(|window| window == mark);
    found.map_or(rest.len(), |at| at + mark.len())
}

/// The length of a tag, whose attributes are counted by their `=`.
fn tag(rest: &[u8], bounds: Bounds) -> Result<usize, Refusal> {
    let (mut quote, mut attributes) = (None, 0);
    for (at, byte) in rest.iter().enumerate() {
        match (quote, byte) {
            (Some(open), byte) if *byte == open => quote = None,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (None, b'=') => {
                attributes += 1;
                if attributes > bounds.attributes {
                    return Err(malformed("too many attributes"));
                }
            }
            (None, b'>') => return Ok(at + 1),
            _ => {}
        }
    }
    Ok(rest.len())
}

/// Text as it stands within an element or an attribute.
pub(crate) fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            '\'' => escaped.push_str("&#39;"),
            // What XML 1.0 can't hold at all.
            c if c.is_control() && !matches!(c, '\t' | '\n' | '\r') => {}
            c => escaped.push(c),
        }
    }
    escaped
}

#[cfg(test)]
mod tests;
