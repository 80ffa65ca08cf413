//! Documents are bounded exactly, and read by exact names.

use super::*;
use crate::tests::why;

const SMALL: Bounds = Bounds { bytes: 200, attributes: 2, depth: 3, elements: 4 };

fn parsed(text: &str) -> Xml<'_> {
    Xml::parse(text, MESSAGE).unwrap()
}

/// Why a document is refused; nothing: it is taken.
fn refused(text: &str, bounds: Bounds) -> Option<(Reason, String)> {
    Xml::parse(text, bounds).err().map(|refusal| (refusal.reason, refusal.got.unwrap_or_default()))
}

fn malformed_by(why: &str) -> Option<(Reason, String)> {
    Some((Reason::XmlRefused, why.to_owned()))
}

/// A root with so many letters that the whole has this length.
fn of_length(bytes: usize) -> String {
    format!("<a>{}</a>", "x".repeat(bytes - 7))
}

#[test]
fn a_document_has_so_many_bytes_and_not_one_more() {
    for (bounds, bytes) in [(SMALL, 200), (MESSAGE, 262_144), (METADATA_DOCUMENT, 1_048_576)] {
        assert_eq!(refused(&of_length(bytes - 1), bounds), None);
        assert_eq!(refused(&of_length(bytes), bounds), None);
        assert_eq!(refused(&of_length(bytes + 1), bounds), malformed_by(&format!("more than {bytes} bytes")));
    }
}

#[test]
fn a_document_has_so_many_elements_and_not_one_more() {
    let of_elements = |count: usize| format!("<a>{}</a>", "<b></b>".repeat(count - 1));
    let too_many = malformed_by("too many elements");
    assert_eq!(refused(&of_elements(4), SMALL), None);
    assert_eq!(refused(&format!("<a>{}</a>", "<b/>".repeat(3)), SMALL), None);
    assert_eq!(refused(&format!("<a>{}</a>", "<b/>".repeat(4)), SMALL), too_many);
    assert_eq!(refused(&of_elements(4_000), MESSAGE), None);
    assert_eq!(refused(&of_elements(4_001), MESSAGE), too_many);
    assert_eq!(refused(&of_elements(20_001), METADATA_DOCUMENT), too_many);
}

#[test]
fn a_tag_has_so_many_attributes_wherever_it_stands() {
    let too_many = malformed_by("too many attributes");
    for (what, text, expected) in [
        ("two", "<a x='1' y='2'/>", None),
        ("three", "<a x='1' y='2' z='3'/>", too_many.clone()),
        ("a namespace counts", "<a x='1' y='2' xmlns='urn:x'/>", too_many.clone()),
        ("two each", "<a x='1' y='2'><b x='1' y='2'/></a>", None),
        ("three in the second", "<a><b x='' y='' z=''/></a>", too_many.clone()),
        ("three behind a text", "<a>text<b x='' y='' z=''/></a>", too_many.clone()),
        ("three behind a value", "<a x=''><b x='' y='' z=''/></a>", too_many.clone()),
        ("equal signs in a value", "<a x=\"a====\"/>", None),
        ("equal signs in the other quotes", "<a x='a\"===\"=='/>", None),
        ("a bracket in a value", "<a x='>' y='1' z='2'/>", too_many.clone()),
        ("equal signs in a text", "<a>a===b</a>", None),
        ("in a comment", "<a><!-- <b x='' y='' z=''/> --></a>", None),
        ("in CDATA", "<a><![CDATA[ <b x='' y='' z=''/> ]]></a>", None),
        ("at a comment's end", "<a><!--<===--></a>", None),
        ("at CDATA's end", "<a><![CDATA[<===]]></a>", None),
        ("behind a comment", "<a><!--<=--><b x='' y='' z=''/></a>", too_many.clone()),
        ("behind a CDATA", "<a><![CDATA[]]><b x='' y='' z=''/></a>", too_many.clone()),
        ("behind an empty comment", "<a><!----><b x='' y='' z=''/></a>", too_many),
    ] {
        assert_eq!(refused(text, SMALL), expected, "{what}");
    }
}

#[test]
fn a_tag_ends_behind_its_bracket() {
    assert_eq!(tag(b"<a>text", SMALL), Ok(3));
    assert_eq!(tag(b"<a x='>'>text", SMALL), Ok(9));
    assert_eq!(tag(b"<a", SMALL), Ok(2));
    assert_eq!(end_of(b"<!--a-->b", b"-->"), 8);
    assert_eq!(end_of(b"<!--a", b"-->"), 5);
}

#[test]
fn elements_stand_within_so_many_others() {
    for (depth, expected) in [(48, None), (49, malformed_by("not well-formed XML"))] {
        let text = format!("{}{}", "<a>".repeat(depth), "</a>".repeat(depth));
        assert_eq!(refused(&text, MESSAGE), expected, "{depth}");
    }
}

#[test]
fn what_saml_never_has_is_refused() {
    let duplicate = |id: &str| Some((Reason::DuplicateId, id.to_owned()));
    let foreign = malformed_by("an attribute of a foreign namespace that looks like ours");
    for (what, text, expected) in [
        ("a declaration", "<?xml version=\"1.0\"?><a/>", None),
        ("a comment", "<!--x--><a/><!--y-->", None),
        ("a document type", "<!DOCTYPE a><a/>", malformed_by("a document type")),
        ("an entity", "<!DOCTYPE a [<!ENTITY x \"y\">]><a>&x;</a>", malformed_by("a document type")),
        ("an entity that nobody declared", "<a>&x;</a>", malformed_by("not well-formed XML")),
        ("an instruction", "<a><?x y?></a>", malformed_by("a processing instruction")),
        ("nothing", "", malformed_by("not well-formed XML")),
        ("two roots", "<a/><b/>", malformed_by("not well-formed XML")),
        ("not closed", "<a>", malformed_by("not well-formed XML")),
        ("different ids", "<a ID='1'><b ID='2'/><c Id='3' d='3'/></a>", None),
        ("the same id twice", "<a ID='1'><b ID='1'/></a>", duplicate("1")),
        ("the same id in other letters", "<a ID='1'><b id='1'/></a>", duplicate("1")),
        ("the same id of SAML 1", "<a ID='1'><b AssertionID='1'/></a>", duplicate("1")),
        ("two ids of one element", "<a ID='1' Id='2'/>", duplicate("2")),
        ("a foreign id", "<a xmlns:x='urn:x' x:ID='1'/>", foreign.clone()),
        ("XML's own id", "<a xml:id='1'/>", foreign.clone()),
        ("a foreign attribute", "<a xmlns:x='urn:x' x:Name='1'/>", None),
        (
            "a foreign attribute of a signature",
            "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#' xmlns:x='urn:x' x:URI='1'/>",
            foreign.clone(),
        ),
        (
            "a foreign attribute of encryption",
            "<EncryptedData xmlns='http://www.w3.org/2001/04/xmlenc#' xmlns:x='urn:x' x:URI='1'/>",
            foreign,
        ),
        ("a signature's own", "<Signature xmlns='http://www.w3.org/2000/09/xmldsig#' URI='1' Id='1'/>", None),
    ] {
        assert_eq!(refused(text, MESSAGE), expected, "{what}");
    }
}

#[test]
fn elements_are_found_by_namespace_and_name() {
    let xml =
        parsed("<a xmlns='urn:x' xmlns:y='urn:y'>t<b>1</b><y:b>2</y:b><c><b>3</b></c><y:d/><d/><d/></a>");
    let root = xml.root().unwrap();
    let texts =
        |nodes: Vec<NodeId>| nodes.into_iter().map(|node| xml.text(node).unwrap()).collect::<Vec<_>>();
    assert!(xml.is(root, "urn:x", "a") && !xml.is(root, "urn:y", "a") && !xml.is(root, "urn:x", "b"));
    assert_eq!(texts(xml.children(root, "urn:x", "b")), ["1"]);
    assert_eq!(texts(xml.children(root, "urn:y", "b")), ["2"]);
    assert_eq!(texts(xml.everywhere("urn:x", "b")), ["1", "3"]);
    assert_eq!(texts(xml.everywhere("urn:x", "e")), [""; 0]);
    assert_eq!(xml.child(root, "urn:x", "e"), Ok(None));
    assert_eq!(
        xml.child(root, "urn:x", "b").map(|node| texts(node.into_iter().collect())),
        Ok(vec!["1".to_owned()])
    );
    assert_eq!(
        why(xml.child(root, "urn:x", "d")),
        (Reason::XmlRefused, "several d where one belongs".to_owned())
    );
    assert_eq!(xml.required(root, "urn:x", "e"), Err(Refusal::new(Reason::Missing).expected("e")));
    assert_eq!(xml.child_text(root, "urn:y", "b"), Ok(Some("2".to_owned())));
    assert_eq!(xml.child_text(root, "urn:y", "e"), Ok(None));
    assert_eq!(why(xml.child_text(root, "urn:x", "d")).0, Reason::XmlRefused);
    let elements = |name: &str| xml.has_elements(xml.required(root, "urn:x", name).unwrap());
    assert!(elements("c") && !elements("b") && xml.has_elements(root));
}

#[test]
fn attributes_are_those_without_a_namespace() {
    let xml =
        parsed("<a xmlns='urn:x' xmlns:y='urn:y' y:Name='foreign' Name='own' name='small' y:Other='x'/>");
    let root = xml.root().unwrap();
    for (name, expected) in [("Name", Some("own")), ("name", Some("small")), ("Other", None), ("xmlns", None)]
    {
        assert_eq!(xml.attribute(root, name), expected, "{name}");
        let required = expected.ok_or_else(|| Refusal::new(Reason::Missing).expected(name));
        assert_eq!(xml.required_attribute(root, name), required, "{name}");
    }
}

#[test]
fn a_value_is_text_alone() {
    for (what, text, expected) in [
        ("text", "<a> b c </a>", Some((" b c ", "b c"))),
        ("nothing", "<a/>", Some(("", ""))),
        ("CDATA", "<a>b<![CDATA[<c>]]>&amp;</a>", Some(("b<c>&", "b<c>&"))),
        ("a comment", "<a>admin<!---->.evil</a>", None),
        ("an element", "<a>b<c/></a>", None),
    ] {
        let xml = parsed(text);
        let root = xml.root().unwrap();
        match expected {
            Some((exact, trimmed)) => {
                assert_eq!(xml.exact_text(root), Ok(exact.to_owned()), "{what}");
                assert_eq!(xml.text(root), Ok(trimmed.to_owned()), "{what}");
            }
            None => {
                let refused = (Reason::XmlRefused, "something that is no text within a value".to_owned());
                assert_eq!(why(xml.exact_text(root)), refused, "{what}");
                assert_eq!(why(xml.text(root)), refused, "{what}");
            }
        }
    }
}

#[test]
fn text_that_is_written_is_escaped_and_keeps_its_lines() {
    for (text, expected) in [
        ("<a b=\"c\" d='e'>&amp;", "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;amp;"),
        ("ä\u{1f600}", "ä\u{1f600}"),
        ("a\tb\nc\rd", "a\tb\nc\rd"),
        ("a\u{0}b\u{1b}c\u{7f}d\u{85}e", "abcde"),
    ] {
        assert_eq!(escape(text), expected);
    }
}
