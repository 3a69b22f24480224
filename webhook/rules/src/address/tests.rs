mod known;

use super::*;
use AddressError::{Beyond, Host, NotAUrl, Port, Scheme, Spelling, UserInfo};
use proptest::prelude::*;
use std::net::Ipv6Addr;

fn parse(text: &str) -> Result<Address, AddressError> {
    Address::parse(text)
}

/// Bug: another parser, of a library or of the store, understands another host than ours.
#[test]
fn what_could_be_understood_in_two_ways_is_refused() {
    let spelling = |host: &str| Spelling(host.to_owned());
    let long_label = format!("https://{}.example", "a".repeat(LABEL_BYTES + 1));
    let long_host = format!("https://{}example", "a.".repeat(HOST_BYTES / 2));
    let texts: [(&str, AddressError); 52] = [
        ("", NotAUrl),
        ("s3.amazonaws.com", NotAUrl),
        ("169.254.169.254:80", NotAUrl),
        ("//169.254.169.254/", NotAUrl),
        (" https://a.example", NotAUrl),
        ("https://a.example\t", NotAUrl),
        ("https://a.exa\nmple", NotAUrl),
        ("https://a.example\\.svc", NotAUrl),
        ("https://a.example:", NotAUrl),
        ("https://a.example:x", NotAUrl),
        ("https://a.example:65536", NotAUrl),
        ("ftp://a.example", Scheme),
        ("s3://bucket", Scheme),
        ("https://user@a.example", UserInfo),
        ("https://user:word@a.example", UserInfo),
        ("https://@a.example", UserInfo),
        ("https://x.svc:80@a.example", UserInfo),
        ("https://a.example/x", Beyond),
        ("https://a.example//", Beyond),
        ("https://a.example?x", Beyond),
        ("https://a.example/?", Beyond),
        ("https://a.example#.svc", Beyond),
        ("https:///a.example", Beyond),
        ("https://a.example:0", Port),
        ("https://", Host),
        ("https://a..example", Host),
        ("https://-a.example", Host),
        ("https://a_b.example", Host),
        ("https://a*.example", Host),
        ("https://[::1%25eth0]", Host),
        ("https://[fe80::1%eth0]", Host),
        ("https://1.2.3.4.5", Host),
        ("https://256.1.1.1", Host),
        ("https://[::127.0.0.256]", Host),
        (&long_label, Host),
        (&long_host, Host),
        ("https://xn--a", Host),
        ("https://a%2eexample", spelling("a.example")),
        ("https://a.example.", spelling("a.example")),
        ("https://b\u{fc}cher.example", spelling("xn--bcher-kva.example")),
        ("https://\u{ff11}27.0.0.1", spelling("127.0.0.1")),
        ("https://127\u{3002}0\u{ff0e}0\u{ff61}1", spelling("127.0.0.1")),
        ("https://\u{2460}\u{2461}\u{2466}.0.0.1", spelling("127.0.0.1")),
        ("https://loc\u{ff41}lhost", spelling("localhost")),
        ("https://\u{430}\u{440}\u{440}\u{4cf}\u{435}.com", spelling("xn--80ak6aa92e.com")),
        ("https://%31%32%37.0.0.1", spelling("127.0.0.1")),
        ("https://2130706433", spelling("127.0.0.1")),
        ("https://0x7f.1", spelling("127.0.0.1")),
        ("https://0177.0.0.1", spelling("127.0.0.1")),
        ("https://10.1", spelling("10.0.0.1")),
        ("https://[0:0:0:0:0:0:0:1]", spelling("[::1]")),
        ("https://[::ffff:127.0.0.1]", spelling("[::ffff:7f00:1]")),
    ];
    for (text, error) in texts {
        assert_eq!(parse(text), Err(error), "{text:?}");
    }
}

#[test]
fn only_a_service_of_the_cluster_is_one() {
    for text in ["http://minio.storage.svc", "http://a.b.c.svc.cluster.local:9000", "https://Bao.NS.Svc"] {
        assert!(parse(text).unwrap().is_service(), "{text}");
    }
    for text in [
        "http://minio.svc",
        "http://svc",
        "http://x.svc.attacker.example",
        "http://x.ns.svc.local",
        "http://x.svccluster.local",
        "http://10.0.0.1",
    ] {
        assert!(!parse(text).unwrap().is_service(), "{text}");
    }
}

const DRESSES: [(Class, &[&str]); 8] = [
    (
        Class::Loopback,
        &[
            "127.0.0.1",
            "127.255.0.9",
            "[::1]",
            "[::ffff:7f00:1]",
            "[::7f00:1]",
            "localhost",
            "a.localhost",
            "IP6-localhost",
            "[64:ff9b:1::7f00:1]",
        ],
    ),
    (
        Class::LinkLocal,
        &[
            "169.254.169.254",
            "169.254.170.2",
            "[fe80::1]",
            "[::ffff:a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:a9fe:a9fe::]",
            "[2001::5601:5601]",
            "[::ffff:0:a9fe:a9fe]",
            "[64:ff9b:1::a9fe:a9fe]",
            "[64:ff9b:1:a9fe:a9:fe00::]",
            "[64:ff9b:1:a9:fe:a9fe::]",
            "[64:ff9b:1:0:a9:fea9:fe00:0]",
            "[2001:db8::5efe:a9fe:a9fe]",
            "[fe80::5efe:808:808]",
        ],
    ),
    (
        Class::Metadata,
        &[
            "100.100.100.200",
            "168.63.129.16",
            "192.0.0.192",
            "[fd00:ec2::254]",
            "[fd00:ec2::23]",
            "[fd20:ce::254]",
            "[fd00:c1::a9fe:a9fe]",
            "[fd00:42::42]",
            "[fd00:a9fe:a9fe::1]",
            "[64:ff9b::6464:64c8]",
            "metadata.google.internal",
            "METADATA",
        ],
    ),
    (Class::Multicast, &["224.0.0.1", "239.1.2.3", "[ff02::1]", "[::ffff:e000:1]"]),
    (Class::Unspecified, &["0.0.0.0", "0.1.2.3", "255.255.255.255", "[::]", "[::ffff:0:0]", "[64:ff9b:1::]"]),
    (Class::Reserved, &["240.0.0.1", "255.255.255.254"]),
    (Class::ApiServer, &["kubernetes", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]),
    (
        Class::Ordinary,
        &[
            "8.8.8.8",
            "10.0.0.1",
            "192.168.1.1",
            "[fd12::1]",
            "[2001:db8::1]",
            "localhost.example.com",
            "[::ffff:a00:1]",
            "[64:ff9b:1::808:808]",
            "[fd00:ec3::254]",
        ],
    ),
];

#[test]
fn each_class_is_known_in_every_dress() {
    for (class, texts) in DRESSES {
        for host in texts {
            let address = parse(&format!("https://{host}")).unwrap_or_else(|error| panic!("{host} {error}"));
            assert_eq!(address.class(), class, "{host}");
        }
    }
}

#[test]
fn a_list_is_the_whole_list_and_alone_admits_loopback() {
    let admits = |list: &str, host: &str, door: Door| {
        let networks: Networks = list.parse().unwrap();
        networks.judge_unresolved(&parse(&format!("https://{host}")).unwrap(), door).is_ok()
    };
    for (list, host, store, server) in [
        ("", "10.0.0.1", true, true),
        ("", "127.0.0.1", false, false),
        ("", "localhost", false, false),
        ("10.0.0.0/8", "10.0.0.1", true, true),
        ("10.0.0.0/8", "[::ffff:a00:1]", true, true),
        ("10.0.0.0/8", "192.168.0.1", false, true),
        ("10.0.0.0/8", "8.8.8.8", false, true),
        ("10.0.0.0/8", "minio.example", true, true),
        ("10.0.0.0/8, 127.0.0.0/8", "127.0.0.1", true, true),
        ("127.0.0.0/8", "localhost", true, true),
        ("", "240.0.0.1", false, false),
        ("240.0.0.0/4", "240.0.0.1", true, true),
        ("0.0.0.0/0,::/0", "0.0.0.0", false, false),
        ("0.0.0.0/0,::/0", "255.255.255.255", false, false),
        ("0.0.0.0/0,::/0", "[64:ff9b::a9fe:a9fe]", false, false),
        ("0.0.0.0/0,::/0", "169.254.169.254", false, false),
        ("0.0.0.0/0,::/0", "[fe80::1]", false, false),
        ("0.0.0.0/0", "metadata.google.internal", false, false),
        ("0.0.0.0/0", "kubernetes.default.svc", false, false),
    ] {
        assert_eq!(admits(list, host, Door::Storage), store, "{host} as a store by {list:?}");
        assert_eq!(admits(list, host, Door::Server), server, "{host} as a server by {list:?}");
    }
    let list = "10.0.0.0/8,fd00::/8";
    assert_eq!(list.parse::<Networks>().unwrap().to_string(), list);
    assert!("10.0.0.0/33".parse::<Networks>().is_err());
    assert!("minio.example".parse::<Networks>().is_err());
}

proptest! {
    /// Bug: an address in a dress of IPv6 is dialled where the plain one is refused.
    #[test]
    fn an_embedded_address_has_the_class_of_the_plain_one(bits: u32) {
        let plain = std::net::Ipv4Addr::from(bits);
        let class = Class::of(plain.into());
        let [a, b, c, d] = plain.octets().map(u16::from);
        let (high, low) = (a << 8 | b, c << 8 | d);
        for dressed in [
            plain.to_ipv6_mapped(),
            Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, high, low),
            Ipv6Addr::new(0x2001, 0xdb8, 1, 2, 0x200, 0x5efe, high, low),
            Ipv6Addr::new(0x2002, high, low, 1, 2, 3, 4, 5),
            Ipv6Addr::new(0x2001, 0, 1, 2, 3, 4, !high, !low),
        ] {
            prop_assert_eq!(Class::of(dressed.into()), class, "{}", dressed);
        }
    }

    /// Bug: a bucket, or a name for certificates, becomes another host than it looks like.
    #[test]
    fn a_name_in_the_place_of_the_host_is_that_name(name in "[-a-zA-Z0-9.:/@%#?\\\\_\\[\\]\u{ff11}]{1,12}") {
        if let Some(named) = parse("https://minio.example:9000").unwrap().with_name(&name) {
            prop_assert_eq!(named.literal(), None);
            prop_assert_eq!(named.as_str(), format!("https://{}:9000", name.to_ascii_lowercase()));
        }
    }

    /// Bug: a panic on a stranger's text ends the review. And what is admitted is what it looks like.
    #[test]
    fn any_text_has_an_answer(text in "(https?:/{0,3})?[-a-z0-9.@:%#?/\\\\\\[\\]\u{fc} ]{0,24}") {
        if let Ok(address) = parse(&text) {
            let host = text.split_once("://").unwrap().1.trim_end_matches('/');
            prop_assert!(address.0.as_str().contains(&host.to_ascii_lowercase()), "{} is {:?}", text, address);
        }
    }
}
