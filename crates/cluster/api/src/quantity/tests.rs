//! Texts, canonical forms, rounding and arithmetic.

use super::{Format, Quantity, QuantityError};

fn read(text: &str) -> Quantity {
    Quantity::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

#[test]
fn canonical_forms() {
    let check = |text: &str, expected: &str| {
        assert_eq!(read(text).to_string(), expected, "{text}");
        assert_eq!(read(expected), read(text), "{text}");
    };
    for (text, expected) in [
        ("0", "0"),
        ("0Ki", "0"),
        ("-0", "0"),
        ("0n", "0"),
        ("1", "1"),
        ("+1", "1"),
        ("-1", "-1"),
        ("1000m", "1"),
        ("0.5", "500m"),
        (".5", "500m"),
        ("1.", "1"),
        ("0.25", "250m"),
        ("1.5Gi", "1536Mi"),
        ("0.5Mi", "512Ki"),
        ("1024", "1024"),
        ("1024Ki", "1Mi"),
        ("1000Ki", "1000Ki"),
        ("1Ki", "1Ki"),
        ("0.001Ki", "1024m"),
        ("0.0001Ki", "102400u"),
        ("1100Mi", "1100Mi"),
        ("1000k", "1M"),
        ("1100k", "1100k"),
        ("100k", "100k"),
        ("1e3", "1e3"),
        ("1E3", "1e3"),
        ("12e4", "120e3"),
        ("1e0", "1"),
        ("1e-3", "1e-3"),
        ("1e-1", "100e-3"),
        ("1E", "1E"),
        ("1Ei", "1Ei"),
        ("1n", "1n"),
        ("0.1n", "1n"),
        ("1.000000000001", "1000000001n"),
        ("-1.0000000001", "-1000000001n"),
        ("9223372036854775807", "9223372036854775807"),
        ("16Ei", "9223372036854775807"),
        ("100Ei", "9223372036854775807"),
        ("1001E", "1001E"),
        ("00012", "12"),
        ("3.0", "3"),
        ("129e6", "129e6"),
        ("128974848", "128974848"),
        ("123Mi", "123Mi"),
    ] {
        check(text, expected);
    }
}

#[test]
fn refusals() {
    let check = |text: &str, expected: QuantityError| {
        assert_eq!(Quantity::parse(text).err(), Some(expected), "{text}");
    };
    for text in
        ["", "a", "-", "1 ", " 1", "1.1.M", "1..1", "1+", "Ki", "1Kix", "1_000", "1,5", "e3"]
    {
        if text != "1+" {
            check(text, QuantityError::Format);
        }
    }
    check("1+", QuantityError::Suffix);
    for text in ["", "a", "-", "1 ", " 1", "1.1.M", "1..1", "Ki", "1Kix", "1_000", "1,5", "e3"] {
        check(text, QuantityError::Format);
    }
    for text in
        ["1+", "1ki", "1mi", "1K", "1Mm", "1i", "1e", "1e+", "1ee3", "1Ki3", "1e99999999999"]
    {
        check(text, QuantityError::Suffix);
    }
    check(".", QuantityError::Number);
    check(&"1".repeat(600), QuantityError::Format);
}

#[test]
fn rounding() {
    assert_eq!((read("1.1").value(), read("-1.1").value(), read("1Ki").value()), (2, -2, 1024));
    assert_eq!((read("0.0001").milli_value(), read("250m").milli_value()), (1, 250));
    assert_eq!(read("1001E").value(), i64::MAX);
    assert_eq!(read("-1001E").value(), i64::MIN);
    assert_eq!(read("0.0005").round_up_to_milli().to_string(), "1m");
    assert_eq!(read("0.3m").round_up_to_milli().to_string(), "1m");
    assert_eq!(read("1Gi").round_up_to_milli().to_string(), "1Gi");
    assert!(read("1").is_whole() && !read("1m").is_whole() && read("1m").is_whole_milli());
    assert_eq!(read("1e40"), read("1e41"));
}

#[test]
fn arithmetic() {
    let check = |one: &str, other: &str, sum: &str, difference: &str| {
        assert_eq!(read(one).add(read(other)).to_string(), sum, "{one} + {other}");
        assert_eq!(read(one).sub(read(other)).to_string(), difference, "{one} - {other}");
    };
    check("1", "500m", "1500m", "500m");
    check("1Gi", "1Mi", "1025Mi", "1023Mi");
    check("0", "1Gi", "1Gi", "-1Gi");
    check("1Gi", "1000", "1073742824", "1073740824");
    check("1Ki", "1Ki", "2Ki", "0");
    check("100m", "1", "1100m", "-900m");
    assert!(read("1Ki") > read("1k") && read("1024") == read("1Ki") && read("-1").sign() == -1);
    assert_eq!(Quantity::new(2048, Format::BinarySi).to_string(), "2Ki");
    assert_eq!(Quantity::from_milli(1500, Format::DecimalSi).to_string(), "1500m");
    assert_eq!(
        Quantity::from_value(&serde_json::json!(2)).map(|it| it.to_string()),
        Ok("2".into())
    );
    assert_eq!(
        Quantity::from_value(&serde_json::json!(0.1)).map(|it| it.to_string()),
        Ok("100m".into())
    );
}
