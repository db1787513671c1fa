def test_me(member):
    r = member.get("/me")
    print(r.json)
    assert r.status_code == 200
    r = member.post("/patients", json={"mrn":"1","given_name":"A","family_name":"B","birth_date":"2000-01-01","sex":"female"})
    print(r.json); assert r.status_code==201
    r = member.get("/patients"); print(r.json)
    r = member.get("/patients/"+r.json["data"][0]["id"]); print(r.json)
    r = member.patch("/patients/"+r.json["id"], json={"address":{"city":"X"}, "phone":"1"}); print(r.json)
    r = member.post("/patients/search", json={"family_name":"b"}); print(r.json)
    r = member.post("/patients", json={"mrn":"1","given_name":"A","famly_name":"B","birth_date":"2000-01-01","sex":"female","address":{"x":1}}); print(r.json)
