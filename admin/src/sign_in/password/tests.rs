use super::*;

fn policy() -> Policy {
    Policy::of(&PasswordRules::default())
}

#[test]
fn length_counts_characters() {
    assert_eq!(policy().check("kurz-und-gu", &[]), Err(PasswordError::TooShort(12)));
    assert_eq!(policy().check("grüßgöttövxw", &[]), Ok(()));
    assert_eq!(policy().check(&"wahlkampfspende".repeat(18), &[]), Err(PasswordError::TooLong));
    let long = Policy::of(&PasswordRules { min_length: 20, ..PasswordRules::default() });
    assert_eq!(long.check("mauve-otter-93-k", &[]), Err(PasswordError::TooShort(20)));
}

#[test]
fn what_everybody_knows_is_refused() {
    for bad in [
        "password1234",
        "Password1234!",
        "P@ssw0rd2024!",
        "passwordpassword",
        "qwertyuiop123",
        "QWERTZuiop!!!",
        "123456789012",
        "aaaaaaaaaaaaaaaa",
        "ababababababab",
        "letmein123456",
        "iloveyou2023!!",
        "Sommer2026!!!",
        "administrator1",
        "sallyport2026",
        "welcome@123456",
    ] {
        assert_eq!(policy().check(bad, &[]), Err(PasswordError::Common), "{bad}");
    }
    for good in
        ["mauve-otter-93-kayak", "correct horse battery staple", "Xk29!vb0_qLmz", "grüne Tinte im Teich"]
    {
        assert_eq!(policy().check(good, &[]), Ok(()), "{good}");
    }
}

#[test]
fn ones_own_name_is_no_password() {
    let about = ["ada.lovelace@analytical.example", "Ada Lovelace"];
    for bad in ["lovelace-2026", "Analytical123", "L0velace!analytical"] {
        assert_eq!(policy().check(bad, &about), Err(PasswordError::Common), "{bad}");
    }
    assert_eq!(policy().check("lovelace-mauve-otter", &about), Ok(()));
}

#[test]
fn hashes_are_argon2id_and_salted_and_nobody_has_none() {
    let (one, two) = (hash("mauve-otter-93").unwrap(), hash("mauve-otter-93").unwrap());
    assert_ne!(one, two);
    assert!(one.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{one}");
    assert!(verify("mauve-otter-93", Some(&one)) && !verify("mauve-otter-94", Some(&one)));
    assert!(!verify("mauve-otter-93", None) && !verify("x", Some("no hash")));
    // what stands in for nobody costs what a real one costs
    let nobody = PasswordHash::new(NOBODY).unwrap();
    let real = PasswordHash::new(&one).unwrap();
    assert_eq!((nobody.algorithm, nobody.params.as_str()), (real.algorithm, real.params.as_str()));
    assert_eq!(nobody.hash.unwrap().len(), real.hash.unwrap().len());
}

#[test]
fn temporary_ones_pass_the_policy_and_differ() {
    let all: std::collections::HashSet<String> = (0..50).map(|_| temporary().unwrap().to_string()).collect();
    assert_eq!(all.len(), 50);
    for t in &all {
        assert_eq!((policy().check(t, &[]), t.len()), (Ok(()), 23), "{t}");
    }
}
