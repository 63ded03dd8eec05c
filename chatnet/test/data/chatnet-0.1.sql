-- What release 0.1 kept: made by its own store.
BEGIN TRANSACTION;
CREATE TABLE accounts (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, verifier TEXT NOT NULL, made_at REAL NOT NULL
) WITHOUT ROWID;
INSERT INTO "accounts" VALUES('ann','Ann','$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$aN/qzNdAW0Mx1rltjDrX68WQIEAmi2+NhYNk295SpFM',1763740800.125);
INSERT INTO "accounts" VALUES('bob1','Bob1','$argon2id$v=19$m=19456,t=2,p=1$AAECAwQFBgcICQoLDA0ODw$KAfb9gp1fWpaTdsb9+UAPACR4WFUPEW7v/JO00FpnuQ',1763740800.125);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL, cid TEXT NOT NULL, room TEXT NOT NULL,
    seq INTEGER NOT NULL, UNIQUE (origin, cid)
);
INSERT INTO "answers" VALUES(1,'ann','c3','tea',3);
INSERT INTO "answers" VALUES(2,'ann','c24','tea',24);
INSERT INTO "answers" VALUES(3,'~guest','x','tea',6);
INSERT INTO "answers" VALUES(4,'bob','nothing ','',0);
CREATE TABLE claims (
    claim TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (key)
) WITHOUT ROWID;
INSERT INTO "claims" VALUES('ann','ann');
INSERT INTO "claims" VALUES('bob1','bob1');
CREATE TABLE entries (
    room TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    event TEXT NOT NULL, PRIMARY KEY (room, seq)
);
INSERT INTO "entries" VALUES('tea',1,1763740800.225,'opened','["opened","Tea","Ann"]');
INSERT INTO "entries" VALUES('tea',2,1763740800.325,'joined','["joined","Ann",true]');
INSERT INTO "entries" VALUES('tea',3,1763740800.425,'said','["said","Ann","Green tea, please! It''s \"hot\" ☕",false]');
INSERT INTO "entries" VALUES('tea',4,1763740800.525,'joined','["joined","guest-1",false]');
INSERT INTO "entries" VALUES('tea',5,1763740800.625,'renamed','["renamed","guest-1","tom",false]');
INSERT INTO "entries" VALUES('tea',6,1763740800.725,'said','["said","tom","pours\nand pours",true]');
INSERT INTO "entries" VALUES('tea',7,1763740800.825,'rolled','["rolled","Ann","2d6",[3,5]]');
INSERT INTO "entries" VALUES('tea',8,1763740800.925,'joined','["joined","Bob",true]');
INSERT INTO "entries" VALUES('tea',9,1763740801.025,'joined','["joined","eve",false]');
INSERT INTO "entries" VALUES('tea',10,1763740801.125,'muted','["muted","eve","Ann","~192.0.2.1",1763744400.5,"loud"]');
INSERT INTO "entries" VALUES('tea',11,1763740801.225,'unmuted','["unmuted","eve","Ann","~192.0.2.1"]');
INSERT INTO "entries" VALUES('tea',12,1763740801.325,'kicked','["kicked","eve","Ann","rude"]');
INSERT INTO "entries" VALUES('tea',13,1763740801.425,'banned','["banned","eve","Ann","~192.0.2.1",0,"rude again"]');
INSERT INTO "entries" VALUES('tea',14,1763740801.525,'promoted','["promoted","Bob","Ann"]');
INSERT INTO "entries" VALUES('tea',15,1763740801.625,'topicset','["topicset","Bob","Leaves & cups"]');
INSERT INTO "entries" VALUES('tea',16,1763740801.725,'locked','["locked","Ann","$argon2id$v=19$m=19456,t=2,p=1$AAAA$BBBB"]');
INSERT INTO "entries" VALUES('tea',17,1763740801.825,'unlocked','["unlocked","Ann"]');
INSERT INTO "entries" VALUES('tea',18,1763740801.925,'noticed','["noticed","The kettle boils."]');
INSERT INTO "entries" VALUES('tea',19,1763740802.025,'demoted','["demoted","Bob","Ann"]');
INSERT INTO "entries" VALUES('tea',20,1763740802.125,'unbanned','["unbanned","eve","Ann","~192.0.2.1"]');
INSERT INTO "entries" VALUES('tea',21,1763740802.225,'said','["said","Bob","綠茶 im Café",false]');
INSERT INTO "entries" VALUES('tea',22,1763740802.325,'left','["left","tom",true]');
INSERT INTO "entries" VALUES('tea',23,1763740802.425,'left','["left","Bob",false]');
INSERT INTO "entries" VALUES('tea',24,1763740802.525,'said','["said","Ann","",false]');
INSERT INTO "entries" VALUES('milk',1,1763740802.625,'opened','["opened","Milk","Bob"]');
INSERT INTO "entries" VALUES('milk',2,1763740802.725,'joined','["joined","Bob",true]');
INSERT INTO "entries" VALUES('milk',3,1763740802.825,'said','["said","Bob","milk number 1",false]');
INSERT INTO "entries" VALUES('milk',4,1763740802.925,'said','["said","Bob","milk number 2",false]');
INSERT INTO "entries" VALUES('milk',5,1763740803.025,'said','["said","Bob","milk number 3",false]');
INSERT INTO "entries" VALUES('milk',6,1763740803.125,'said','["said","Bob","milk number 4",false]');
INSERT INTO "entries" VALUES('milk',7,1763740803.225,'said','["said","Bob","milk number 5",false]');
INSERT INTO "entries" VALUES('milk',8,1763740803.325,'said','["said","Bob","milk number 6",false]');
INSERT INTO "entries" VALUES('milk',9,1763740803.425,'said','["said","Bob","milk number 7",false]');
INSERT INTO "entries" VALUES('milk',10,1763740803.525,'said','["said","Bob","milk number 8",false]');
INSERT INTO "entries" VALUES('milk',11,1763740803.625,'said','["said","Bob","milk number 9",false]');
INSERT INTO "entries" VALUES('milk',12,1763740803.725,'said','["said","Bob","milk number 10",false]');
INSERT INTO "entries" VALUES('milk',13,1763740803.825,'said','["said","Bob","milk number 11",false]');
INSERT INTO "entries" VALUES('milk',14,1763740803.925,'said','["said","Bob","milk number 12",false]');
INSERT INTO "entries" VALUES('milk',15,1763740804.025,'said','["said","Bob","milk number 13",false]');
INSERT INTO "entries" VALUES('milk',16,1763740804.125,'said','["said","Bob","milk number 14",false]');
INSERT INTO "entries" VALUES('milk',17,1763740804.225,'said','["said","Bob","milk number 15",false]');
INSERT INTO "entries" VALUES('milk',18,1763740804.325,'said','["said","Bob","milk number 16",false]');
INSERT INTO "entries" VALUES('milk',19,1763740804.425,'said','["said","Bob","milk number 17",false]');
INSERT INTO "entries" VALUES('milk',20,1763740804.525,'said','["said","Bob","milk number 18",false]');
INSERT INTO "entries" VALUES('milk',21,1763740804.625,'said','["said","Bob","milk number 19",false]');
INSERT INTO "entries" VALUES('milk',22,1763740804.725,'said','["said","Bob","milk number 20",false]');
INSERT INTO "entries" VALUES('milk',23,1763740804.825,'said','["said","Bob","milk number 21",false]');
INSERT INTO "entries" VALUES('milk',24,1763740804.925,'said','["said","Bob","milk number 22",false]');
INSERT INTO "entries" VALUES('milk',25,1763740805.025,'said','["said","Bob","milk number 23",false]');
INSERT INTO "entries" VALUES('milk',26,1763740805.125,'said','["said","Bob","milk number 24",false]');
INSERT INTO "entries" VALUES('milk',27,1763740805.225,'said','["said","Bob","milk number 25",false]');
INSERT INTO "entries" VALUES('milk',28,1763740805.325,'said','["said","Bob","milk number 26",false]');
INSERT INTO "entries" VALUES('milk',29,1763740805.425,'said','["said","Bob","milk number 27",false]');
INSERT INTO "entries" VALUES('milk',30,1763740805.525,'said','["said","Bob","milk number 28",false]');
INSERT INTO "entries" VALUES('milk',31,1763740805.625,'said','["said","Bob","milk number 29",false]');
INSERT INTO "entries" VALUES('milk',32,1763740805.725,'said','["said","Bob","milk number 30",false]');
INSERT INTO "entries" VALUES('milk',33,1763740805.825,'said','["said","Bob","milk number 31",false]');
INSERT INTO "entries" VALUES('milk',34,1763740805.925,'said','["said","Bob","milk number 32",false]');
INSERT INTO "entries" VALUES('milk',35,1763740806.025,'said','["said","Bob","milk number 33",false]');
INSERT INTO "entries" VALUES('milk',36,1763740806.125,'said','["said","Bob","milk number 34",false]');
INSERT INTO "entries" VALUES('milk',37,1763740806.225,'said','["said","Bob","milk number 35",false]');
INSERT INTO "entries" VALUES('milk',38,1763740806.325,'said','["said","Bob","milk number 36",false]');
INSERT INTO "entries" VALUES('milk',39,1763740806.425,'said','["said","Bob","milk number 37",false]');
INSERT INTO "entries" VALUES('milk',40,1763740806.525,'said','["said","Bob","milk number 38",false]');
INSERT INTO "entries" VALUES('milk',41,1763740806.625,'said','["said","Bob","milk number 39",false]');
INSERT INTO "entries" VALUES('milk',42,1763740806.725,'said','["said","Bob","milk number 40",false]');
INSERT INTO "entries" VALUES('milk',43,1763740806.825,'left','["left","Bob",false]');
INSERT INTO "entries" VALUES('@bob',1,1763740806.925,'whispered','["whispered","Ann","Bob","psst, the tea is cold"]');
INSERT INTO "entries" VALUES('@bob',2,1763740807.025,'seen','["seen",1]');
INSERT INTO "entries" VALUES('@ann',1,1763740807.125,'whispered','["whispered","Ann","Bob","psst, the tea is cold"]');
INSERT INTO "entries" VALUES('*',1,1763740807.225,'announced','["announced","Ann","Down at noon"]');
CREATE TABLE states (
    id INTEGER PRIMARY KEY, room TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, state TEXT NOT NULL
);
INSERT INTO "states" VALUES(1,'tea',20,'{"name":"Tea","topic":"Leaves & cups","members":{"ann":["Ann",true],"tom":["tom",false],"bob":["Bob",true]},"moderators":{"ann":"Ann"}}');
INSERT INTO "states" VALUES(2,'milk',1,'{"name":"Milk"}');
INSERT INTO "states" VALUES(3,'@bob',1,'{}');
INSERT INTO "states" VALUES(4,'@ann',1,'{}');
INSERT INTO "states" VALUES(5,'*',1,'{}');
COMMIT;
PRAGMA user_version = 1;
