//! Queries and pages as data, and mutations of them.

use super::*;

#[test]
fn queries() {
    let query = Query::parse("n=2&last=a%2Fb+c&x&digest=sha256:ab&digest=two&bad=%zz&%ff=1");
    assert_eq!(query.get("last"), Some("a/b c"));
    assert_eq!(query.get("x"), Some(""));
    assert_eq!(query.all("digest").collect::<Vec<_>>(), ["sha256:ab", "two"]);
    assert_eq!(query.get("bad"), None);
    assert_eq!(Query::parse(&"a=b&".repeat(1000)).all("a").count(), PARAMETERS);
}

#[test]
fn pages() {
    let check = |query: &str, expected: Option<(usize, Option<&str>)>| {
        let page = Page::of(&Query::parse(query));
        let expected =
            expected.map(|(entries, last)| Page { entries, last: last.map(str::to_owned) });
        assert_eq!(page, expected, "{query}");
    };
    check("", Some((PAGE_ENTRIES, None)));
    check("n=3&last=v1", Some((3, Some("v1"))));
    check("n=99999999999999999999999", Some((PAGE_ENTRIES, None)));
    check("n=-1", None);
    check("n=x", None);
    let list = ["a", "b", "c"];
    let page = Page { entries: 2, last: None };
    assert_eq!(page.cut(list.into_iter()), (vec!["a", "b"], true));
    assert_eq!(page.cut(["c"].into_iter()), (vec!["c"], false));
    assert_eq!(Page { entries: 0, last: None }.cut(list.into_iter()), (vec![], false));
    assert_eq!(
        page.next("/v2/x/tags/list", "b c"),
        "</v2/x/tags/list?n=2&last=b%20c>; rel=\"next\""
    );
}

#[test]
fn what_is_encoded_is_decoded_and_mutations_do_not_panic() {
    for text in ["a/b", "ä ß", "100%", "a&b=c", "\u{0}\u{7f}"] {
        assert_eq!(decode(&encode(text), Plus::IsSpace).as_deref(), Some(text));
    }
    let seed = "n=10&last=a%C3%A4";
    for at in 0..seed.len() {
        for byte in 0..128_u8 {
            let mut bytes = seed.as_bytes().to_vec();
            bytes[at] = byte;
            let text = String::from_utf8_lossy(&bytes).into_owned();
            if let Some(page) = Page::of(&Query::parse(&text)) {
                assert!(page.entries <= PAGE_ENTRIES);
            }
        }
    }
}
