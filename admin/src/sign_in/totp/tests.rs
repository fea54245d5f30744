use super::*;

/// RFC 6238, appendix B: the last six of the eight digits.
const SEED: &[u8] = b"12345678901234567890";

#[test]
fn the_codes_of_the_rfc() {
    for (time, code) in [
        (59, "287082"),
        (1_111_111_109, "081804"),
        (1_111_111_111, "050471"),
        (1_234_567_890, "005924"),
        (2_000_000_000, "279037"),
        (20_000_000_000, "353130"),
    ] {
        assert_eq!(check(SEED, code, time, 0), Code::Right(time / 30), "{time}");
    }
}

#[test]
fn neighbouring_steps_and_no_others() {
    let now = 2_000_000_000;
    let code = at(SEED, now / 30).unwrap();
    for (shift, right) in [(-60, false), (-30, true), (0, true), (30, true), (60, false)] {
        let got = check(SEED, &code, now + shift, 0);
        assert_eq!(got == Code::Right(now / 30), right, "{shift}: {got:?}");
        assert_eq!(got == Code::Wrong, !right);
    }
}

#[test]
fn a_step_opens_once_and_none_before_it() {
    let now = 2_000_000_000;
    let here = now / 30;
    let of = |step| at(SEED, step).unwrap();
    assert_eq!(check(SEED, &of(here), now, here), Code::Used);
    assert_eq!(check(SEED, &of(here - 1), now, here), Code::Used, "an older one that was not used either");
    assert_eq!(check(SEED, &of(here + 1), now, here), Code::Right(here + 1));
}

#[test]
fn only_six_digits() {
    let now = 2_000_000_000;
    assert_eq!(check(SEED, "279 037", now, 0), Code::Right(now / 30), "as apps show it");
    for bad in ["", "27903", "2790370", "279037\0", "２79037", "69279037", "279038"] {
        assert_eq!(check(SEED, bad, now, 0), Code::Wrong, "{bad:?}");
    }
}

#[test]
fn base32_of_the_rfc() {
    for (bytes, text) in [
        ("", ""),
        ("f", "MY"),
        ("fo", "MZXQ"),
        ("foo", "MZXW6"),
        ("foob", "MZXW6YQ"),
        ("fooba", "MZXW6YTB"),
        ("foobar", "MZXW6YTBOI"),
    ] {
        assert_eq!(base32(bytes.as_bytes()), text);
    }
    assert_eq!(base32(SEED), "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ");
}

#[test]
fn what_apps_scan() {
    assert_eq!(
        uri("Sallyport", "ABC", "a+b@example.com"),
        "otpauth://totp/Sallyport:a%2Bb%40example.com?secret=ABC&issuer=Sallyport&algorithm=SHA1&digits=6&period=30"
    );
}

/// Against another implementation, which must be there: a test that is left out proves nothing.
#[test]
fn as_oathtool_counts() {
    for (secret, now) in [
        ("01234567890123456789", 1_700_000_000_i64),
        ("\0\u{1}\u{7f}secret\u{7f}\u{1}\0 0123456", 59),
        ("zzzzzzzzzzzzzzzzzzzz", 4_102_444_800),
    ] {
        assert_eq!(secret.len(), SECRET);
        // six codes: of this step and the five that follow
        let done = std::process::Command::new("oathtool")
            .args(["--totp", "--base32", "--window=5", &format!("--now=@{now}"), &base32(secret.as_bytes())])
            .output()
            .expect("oathtool is missing: deploy/bootstrap.sh test installs it");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
        let codes: Vec<String> = String::from_utf8(done.stdout).unwrap().lines().map(str::to_owned).collect();
        let ours: Vec<String> = (0..6).map(|n| at(secret.as_bytes(), now / 30 + n).unwrap()).collect();
        assert_eq!(codes, ours);
    }
}
